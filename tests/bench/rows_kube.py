"""P10: a real API server."""
import json
import os
import pathlib
import statistics
import subprocess
import time

from bench import SOURCE, run
from fleet import BYTES, Fleet
from rows_fanout import Way

OBJECTS, IN_FLIGHT = 300, 32


class Cluster:
    """etcd, kube-apiserver and kube-controller-manager, until this process ends."""

    script = SOURCE / "tests" / "kube" / "cluster"

    def __init__(self):
        self.name = f"emcod-bench-{os.getpid()}"
        out = run(self.script, "up", self.name, "--until", os.getpid(), timeout=1500).stdout
        self.kubeconfig = pathlib.Path(out.split()[-1])

    def writes(self, agent):
        """Requests of a client that change something, from the server's own audit log."""
        count = 0
        with open(self.kubeconfig.parent / "audit.log") as log:
            for line in log:
                event = json.loads(line) if line.endswith("\n") else {}
                if event.get("verb") in ("create", "update", "patch", "delete") and event.get("userAgent", "").startswith(agent):
                    count += 1
        return count

    def down(self):
        subprocess.run([self.script, "down", self.name], timeout=60, check=False)


class Kubectl:
    """kubectl apply --server-side of one file with as many ConfigMaps."""

    def __init__(self, bench, kubeconfig):
        self.command = [run(SOURCE / "scripts" / "fetch-helm", "kubectl").stdout.strip(), "--kubeconfig", kubeconfig, "apply",
                        "--server-side", "-f", bench.folder / "kubectl.json"]
        self.number = 0

    def turn(self):
        self.number += 1
        items = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"kubectl-{n}", "namespace": "default"},
                  "data": {"text": "0123456789" * (BYTES // 10), "turn": str(self.number)}} for n in range(OBJECTS)]
        self.command[-1].write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        begun = time.monotonic()
        run(*self.command)
        return OBJECTS / (time.monotonic() - begun)


def p10_real_server(bench):
    """All objects of an app change: from the commit to the report that all are applied."""
    cluster = Cluster()
    try:
        measure(bench, cluster)
    finally:
        cluster.down()


def measure(bench, cluster):
    fleet = Fleet(bench, "p10").onboard([cluster.kubeconfig]).deploy(OBJECTS)
    loop, kubectl = Way(bench, "loop", cluster.kubeconfig, OBJECTS, IN_FLIGHT), Kubectl(bench, cluster.kubeconfig)
    loop.turn()
    ratios, faster, figures = [], [], []
    for number in range(bench.rounds):
        raw = loop.turn()["rate"]
        begun = fleet.turn()
        fleet.settle()
        done = fleet.daemon.sql("SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM unit")[0][0]
        got = OBJECTS / (done - begun)
        ratios.append(got / raw)
        figures.append((got, raw))
        if number % 3 == 0:              # it takes long
            by_kubectl = kubectl.turn()
            faster.append((got / by_kubectl, by_kubectl))
    before = cluster.writes("emcod")
    fleet.verb("update")                 # nothing has changed
    fleet.settle()
    writes = cluster.writes("emcod") - before
    got, limit = (statistics.median(column) for column in zip(*figures))
    times, by_kubectl = (statistics.median(column) for column in zip(*faster))
    bench.row("P10", ratios, 0.90, holds=times >= 4 and writes == 0 and before >= OBJECTS, limit=limit, got=got,
              kubectl=by_kubectl, times_kubectl=times, objects=OBJECTS, writes_unchanged=writes)
    loop.end()
    fleet.end()


ROWS = {"P10": p10_real_server}
