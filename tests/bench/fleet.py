"""Many clusters: the stub's API servers, emcod with its synchroniser in front of them, and the ways it is measured against."""
import base64
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import subprocess
import time
import uuid

from bench import THREADS, TOOLS, conftest, end, run
import emco

MAP = """{{ range $i := until %d }}---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $.Chart.Name }}-{{ $i }}
data:
  text: {{ repeat %d "0123456789" | quote }}
  turn: {{ $.Values.turn | default 0 | quote }}
{{ end }}
"""
BYTES = 200
RSYNC = 'plugin = "rsync";\noptions = { retry_min_ms = 100; retry_max_ms = 1000; %s };\n'


def maps_chart(app, objects):
    return emco.chart(app, {"m.yaml": MAP % (objects, BYTES // 10)})


class Told:
    """A tool that takes orders a line and answers a line."""

    def __init__(self, bench, *command):
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        bench.helpers.append(self.process)
        self.hello = self.line()

    def line(self):
        line = self.process.stdout.readline()
        if not line.endswith("\n"):
            raise RuntimeError(f"{self.process.args[0]} ended")
        return line.strip()

    def tell(self, order):
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()
        return self.line()

    def ask(self, order):
        return json.loads(self.tell(order))

    def end(self):
        end(self.process)


class Stub(Told):
    """So many API servers in one process; their kubeconfigs lie in a folder."""

    def __init__(self, bench, hosts):
        self.folder = bench.folder / f"stub-{uuid.uuid4().hex[:8]}"
        self.kubeconfigs = self.folder / "kubeconfigs"
        self.kubeconfigs.mkdir(parents=True)
        certificate, key = self.folder / "crt.pem", self.folder / "key.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
            "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate)
        super().__init__(bench, TOOLS / "bench-stub", hosts, certificate, key)
        self.ca = base64.b64encode(certificate.read_bytes()).decode()
        self.ports = self.hello.split()
        for number, port in enumerate(self.ports):
            (self.kubeconfigs / f"{number:05d}").write_text(self.kubeconfig(port))

    def kubeconfig(self, port):
        return json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "bench",
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
            "clusters": [{"name": "bench", "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": self.ca}}],
            "users": [{"name": "bench", "user": {"token": "bench"}}]})

    def stats(self):
        return self.ask("stats")

    def wait(self, condition, seconds, what):
        """The stats for which condition holds."""
        deadline = time.monotonic() + seconds
        while True:
            stats = self.stats()
            if condition(stats):
                return stats
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what}: not within {seconds} s: {stats}")
            time.sleep(0.05)


def post_all(daemon, requests, clients=8):
    """POST many: [(path, content type, bytes)].  Plain connections, because what is measured comes afterwards."""
    def some(part):
        link = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
        for path, kind, body in part:
            link.request("POST", "/v2/" + path, body, {"Content-Type": kind})
            answer = link.getresponse()
            text = answer.read()
            if answer.status != 201:
                raise RuntimeError(f"POST {path}: {answer.status} {text[:300]}")
        link.close()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        list(pool.map(some, [requests[n::clients] for n in range(clients)]))


def multipart(document, content):
    boundary = "bench0123456789"
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{json.dumps(document)}\r\n',
             f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="kubeconfig"\r\n\r\n{content}\r\n--{boundary}--\r\n']
    return f"multipart/form-data; boundary={boundary}", "".join(parts).encode()


class Fleet(emco.Scene):
    """emcod, clusters with a kubeconfig each, and a deployment of one app, "a", with so many ConfigMaps on all of them."""

    def __init__(self, bench, name, options="", database=None):
        self.bench = bench
        self.daemon = conftest.Daemon(bench.folder / f"{name}-emcod", bench.postgres, bench.helm,
                                      controllers={"rsync": RSYNC % options},
                                      options={"threads": THREADS, "log_level": "warning", "database_connections": 16})
        self.daemon.start()
        bench.daemons.append(self.daemon)
        super().__init__(self.daemon.client(), name)
        self.postgres = bench.postgres
        self.number = 0

    def end(self):
        self.daemon.stop(120)
        self.bench.postgres.sql(f"DROP DATABASE {self.daemon.database} WITH (FORCE)")

    def onboard(self, kubeconfigs, known=0):
        """Clusters c0000, c0001 ... with the label "edge"; known: how many more there are that nobody deploys to."""
        texts = [pathlib.Path(path).read_text() for path in kubeconfigs]
        self.api.make("cluster-providers", emco.named(self.provider))
        clusters = f"cluster-providers/{self.provider}/clusters"
        names = [f"c{n:05d}" for n in range(len(texts) + known)]
        post_all(self.daemon, [(clusters, *multipart(emco.named(name), texts[n % len(texts)])) for n, name in enumerate(names)])
        label = json.dumps({"clusterLabel": "edge"}).encode()
        edge = names[:len(texts)]
        post_all(self.daemon, [(f"{clusters}/{name}/labels", "application/json", label) for name in edge])
        self.api.make("projects", emco.named(self.project))
        clouds = f"projects/{self.project}/logical-clouds"
        self.api.make(clouds, emco.named("lc", level="0"))
        post_all(self.daemon, [(f"{clouds}/lc/cluster-references", "application/json",
                                json.dumps(emco.named(name, clusterProvider=self.provider, cluster=name)).encode()) for name in edge])
        self.api.make(f"{clouds}/lc/instantiate")
        return self

    def forget_all(self, seconds=300):
        """A daemon anew that has no connection, and makes none: each new cluster is asked once which Kubernetes it runs."""
        deadline = time.monotonic() + seconds
        while self.daemon.count("outbox") > 0:
            if time.monotonic() > deadline:
                raise RuntimeError(f"cluster listeners are not told within {seconds} s")
            time.sleep(0.5)
        self.daemon.stop(120)
        self.daemon.start()

    def deploy(self, objects, seconds=120):
        self.objects = objects
        self.apps({"a": maps_chart("a", objects)})
        self.deployment({"a": self.by_label("edge")})
        self.verb("instantiate")
        self.settle(seconds)
        return self

    def verb(self, name):
        answer = self.api.post(f"{self.dig}/{name}", timeout=300)
        if answer.status_code != 202:
            raise RuntimeError(f"{name}: {answer.status_code} {answer.text}")

    def turn(self):
        """Every object changes.  Answers when the change was committed, in real time."""
        self.number += 1
        self.profile("a", emco.profile(f"turn: {self.number}\n"))
        self.verb("update")
        return self.daemon.sql("SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM app_context ORDER BY created_at DESC "
                               "LIMIT 1")[0][0]

    def settle(self, seconds=120):
        """Until every unit is done and at rest."""
        deadline = time.monotonic() + seconds
        while self.daemon.count("unit", "due_at IS NOT NULL OR lease IS NOT NULL OR applied IS DISTINCT FROM set") > 0:
            if time.monotonic() > deadline:
                why = self.daemon.sql("SELECT cluster, error FROM unit WHERE due_at IS NOT NULL OR lease IS NOT NULL LIMIT 1")
                raise RuntimeError(f"units are not done within {seconds} s: {why}\n{self.daemon.tail()}")
            time.sleep(0.05)

    def label(self):
        return f"{self.daemon.sql('SELECT max(status_context) FROM unit')[0][0]}-a"


class Used:
    """What processes have used since, in seconds of processors.  Other people's load changes it less than it changes time."""

    def __init__(self, *pids):
        self.pids = pids
        self.before = [self.now(pid) for pid in pids]

    @staticmethod
    def now(pid):
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:                  # one that has ended meanwhile
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def seconds(self):
        return sum(max(self.now(pid) - before, 0.0) for pid, before in zip(self.pids, self.before))


REST_S = 15                              # by then what work has left in the heap was given back


def resting_kb(pid):
    """Resident memory at rest."""
    time.sleep(REST_S)
    return resident_kb(pid)


def resident_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))
