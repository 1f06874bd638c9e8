"""P17: kill -9 under load."""
import statistics
import threading
import time

from bench import conftest
from fleet import Fleet, Stub
import emco

HOSTS, OBJECTS, BEFORE_S = 50, 20, 0.5


class Writer(threading.Thread):
    """Creates projects until the server is gone; notes those that were acknowledged."""

    def __init__(self, daemon, number):
        super().__init__()
        self.api, self.number, self.acknowledged = daemon.client(), number, []

    def run(self):
        while True:
            name = f"w{self.number}-{len(self.acknowledged)}"
            try:
                if self.api.post("projects", emco.named(name)).status_code != 201:
                    return
            except conftest.requests.RequestException:
                return
            self.acknowledged.append(name)


def p17_crash(bench):
    """An update is acknowledged, the process dies in the middle of its work and of writes, and starts again."""
    stub = Stub(bench, HOSTS)
    fleet = Fleet(bench, "p17").onboard(sorted(stub.kubeconfigs.iterdir())).deploy(OBJECTS)
    count, times, ready, lost, acknowledged = HOSTS * OBJECTS, [], [], 0, 0
    for number in range(bench.rounds):
        writers = [Writer(fleet.daemon, f"{number}-{n}") for n in range(4)]
        for writer in writers:
            writer.start()
        time.sleep(BEFORE_S)             # load, not synchronisation
        stub.ask("mark")
        fleet.turn()
        stub.wait(lambda s: s["applies"] > 0, 30, "the first apply")
        fleet.daemon.kill()
        for writer in writers:
            writer.join()
        was_done = stub.stats()["applies"] >= count              # faster than the kill: nothing is left to be resumed
        stub.ask("mark")
        begun = time.time()
        fleet.daemon.spawn()
        if not was_done:
            times.append(stub.wait(lambda s: s["applies"] > 0, 60, "an apply after the start")["first"] - begun)
        conftest.wait_for(fleet.daemon.is_ready, 30, "readiness")
        fleet.settle()
        names = [name for writer in writers for name in writer.acknowledged]
        there = {path for path, in fleet.daemon.sql("SELECT path FROM resource WHERE path LIKE 'projects/w%'")}
        lost += sum(f"projects/{name}" not in there for name in names)
        lost += sum(f'"turn":"{fleet.number}"' not in stub.tell(f"object {host} /api/v1/namespaces/default/configmaps/a-{n}")
                    for host in range(HOSTS) for n in range(OBJECTS))
        acknowledged += len(names) + 1
    if not times:
        raise RuntimeError("every update was done before the process could be killed")
    resumed = statistics.median(times)
    bench.row("P17", 2 / resumed, 1, holds=lost == 0, resumed_s=resumed, longest_s=max(times), lost=lost, acknowledged=acknowledged,
              kills=len(times))
    fleet.end()
    stub.end()


ROWS = {"P17": p17_crash}
