"""P9 and P11: many clusters at once, and some of them dead."""
import resource
import statistics

from bench import TOOLS
from fleet import BYTES, Fleet, Stub, Told, Used, resting_kb


class Way(Told):
    """bench-fanout: the same objects, sent by libcurl alone ("loop") or by lib/kube ("kube")."""

    def __init__(self, bench, name, kubeconfigs, objects, *more):
        super().__init__(bench, TOOLS / "bench-fanout", name, kubeconfigs, objects, BYTES, *more)
        self.number = 0

    def turn(self):
        self.number += 1
        return self.ask(self.number)


def has_room(hosts):
    """For a second way: the stub has a socket to listen for each host, and one for each connection of emcod and of the ways."""
    return 4 * hosts + 100 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def fan_out(bench, name, hosts, objects, rounds):
    """A deployment to all hosts, every object of it changed in each round: from the commit to the last apply."""
    stub = Stub(bench, hosts)
    fleet = Fleet(bench, name.lower()).onboard(sorted(stub.kubeconfigs.iterdir()))
    fleet.forget_all()
    before_kb = resting_kb(fleet.daemon.process.pid)
    fleet.deploy(objects, 300)
    stub.wait(lambda s: s["watches"] >= 2 * hosts, 120, "a watch for each kind on each host")
    live_kb = (resting_kb(fleet.daemon.process.pid) - before_kb) / hosts
    loop, *more = (Way(bench, way, stub.kubeconfigs, objects) for way in (("loop", "kube") if has_room(hosts) else ("loop",)))
    for way in (loop, *more):
        way.turn()                       # the first one makes the objects
    count = hosts * objects
    ratios, alone, figures = [], [], []
    for _ in range(rounds):
        used = Used(stub.process.pid)
        raw = loop.turn()
        raw_us = raw["cpu_us"] + used.seconds() * 1e6 / count
        stub.ask("mark")
        used, others = Used(fleet.daemon.process.pid), Used(stub.process.pid, *bench.postgres.pids())
        begun = fleet.turn()
        seconds = stub.wait(lambda s: s["applies"] >= count, 300, "the last apply")["last"] - begun
        fleet.settle()
        cpu_us = used.seconds() * 1e6 / count
        all_us = cpu_us + others.seconds() * 1e6 / count
        ratios.append(count / seconds / raw["rate"])
        figures.append((count / seconds, raw["rate"], cpu_us, raw["cpu_us"], raw_us / all_us))
        for kube in more:
            lib = kube.turn()
            alone.append((lib["rate"] / raw["rate"], lib["rate"], lib["cpu_us"]))
    got, limit, cpu_us, raw_us, cpu_ratio = (statistics.median(column) for column in zip(*figures))
    beside = dict(zip(("kube_ratio", "kube", "kube_us"), (statistics.median(column) for column in zip(*alone))))
    bench.row(name, ratios, 0.50, holds=hosts < 1000 or live_kb <= 100, limit=limit, got=got, hosts=hosts,
              applies=count, cpu_us=cpu_us, loop_us=raw_us, cpu_ratio=cpu_ratio, kb_a_cluster=live_kb, **beside)
    for way in (loop, *more):
        way.end()
    fleet.end()
    stub.end()


def p9_hundred(bench):
    fan_out(bench, "P9", 100, 50, bench.rounds)


def p9_thousand(bench):
    fan_out(bench, "P9b", 1000, 10, min(bench.rounds, 3))


def p9_five_thousand(bench):
    fan_out(bench, "P9c", 5000, 4, min(bench.rounds, 3))


HOSTS, DEAD, OBJECTS = 100, 20, 50


def p11_isolation(bench):
    """Updates with all hosts alive, and two with a part of them dead: silent from the moment before, and silent since then."""
    stub = Stub(bench, HOSTS)
    fleet = Fleet(bench, "p11").onboard(sorted(stub.kubeconfigs.iterdir()))
    fleet.deploy(OBJECTS)
    live = HOSTS - DEAD
    ratios, waits, figures = [], [], []

    def update(hosts):
        """Seconds until the last of the first so many hosts had everything, and until the last live one had."""
        stub.ask("mark")
        begun = fleet.turn()
        stub.wait(lambda s: s["applies"] >= hosts * OBJECTS, 60, f"the applies of {hosts} hosts")
        lasts = [float(word) - begun for word in stub.tell(f"lasts 0 {hosts}").split()]
        return max(lasts), max(lasts[:live])
    for _ in range(min(bench.rounds, 5)):
        whole_s, whole_live_s = update(HOSTS)
        fleet.settle()
        stub.ask(f"freeze {live} {HOSTS}")
        parts = [update(live)[1] for _ in range(2)]
        stub.ask("thaw")
        fleet.settle(120)
        whole, part = HOSTS * OBJECTS / whole_s, 2 * live * OBJECTS / sum(parts)
        ratios.append(part / whole)
        waits.append(max(parts) - whole_live_s)
        figures.append((part, whole, sum(parts) / 2, whole_live_s))
    part, whole, part_s, whole_s = (statistics.median(column) for column in zip(*figures))
    bench.row("P11", ratios, 0.90, holds=statistics.median(waits) <= 1, limit=whole, got=part, hosts=HOSTS, dead=DEAD,
              last_s=part_s, last_without_s=whole_s, wait_s=max(statistics.median(waits), 0.0), longest_wait_s=max(max(waits), 0.0))
    fleet.end()
    stub.end()


ROWS = {"P9": p9_hundred, "P9b": p9_thousand, "P9c": p9_five_thousand, "P11": p11_isolation}
