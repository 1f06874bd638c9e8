"""P12 and P18 at scale: what is seen on many clusters."""
import http.client
import json
import math
import statistics
import time

from bench import psycopg2
from fleet import Fleet, Stub, resting_kb

HOSTS, PODS, PROBES = 50, 600, 100


def pod(number):
    return f"web-6d4cf56db6-{number:05d}"


class Seen:
    """The rows of unit_seen that are about pods."""

    def __init__(self, fleet):
        self.link = psycopg2.connect(fleet.postgres.dsn_of(fleet.daemon.database))
        self.link.autocommit = True
        self.cursor = self.link.cursor()

    def rows(self, statement, *values):
        self.cursor.execute(statement, values)
        return self.cursor.fetchall() if self.cursor.description else None

    def wait(self, count, ready, seconds=180):
        """Until so many are ready, or not; when the last of them was committed."""
        deadline = time.monotonic() + seconds
        while self.rows("SELECT count(*) FROM unit_seen WHERE name LIKE 'web-%%+Pod' AND ready = %s", ready)[0][0] < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"not {count} pods seen with ready = {ready} within {seconds} s")
            time.sleep(0.02)
        return self.rows("SELECT extract(epoch FROM max(pg_xact_commit_timestamp(xmin)))::float8 FROM unit_seen WHERE name LIKE "
                         "'web-%%+Pod'")[0][0]

    def batched(self, ready):
        """Rows a second of an UPDATE of a copy, a statement a unit."""
        units = [unit for unit, in self.rows("SELECT DISTINCT unit FROM bench_seen")]
        names, reasons = [f"{pod(n)}+Pod" for n in range(PODS)], ["" if ready else "condition Ready is False"] * PODS
        begun = time.monotonic()
        for unit in units:
            self.rows("UPDATE bench_seen s SET ready = %s, reason = n.reason FROM unnest(%s::text[], %s::text[]) AS n (name, reason) "
                      "WHERE s.unit = %s AND s.name = n.name", ready, names, reasons, unit)
        return len(units) * PODS / (time.monotonic() - begun)


def shown_after(fleet, stub, link, number, is_ready):
    """Seconds from an event to its being in the status over REST."""
    cluster = f"{fleet.provider}%2Bc{number % HOSTS:05d}"
    path = f"/v2/{fleet.dig}/status?status=ready&app=a&cluster={cluster}&resource={pod(0)}"
    want = "Ready" if is_ready else "NotReady"
    sent = float(stub.tell(f"flip {number % HOSTS} 0 {int(is_ready)}"))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        link.request("GET", path)
        status = json.loads(link.getresponse().read())
        shown = [resource.get("readyStatus") for app in status.get("apps", []) for place in app["clusters"]
                 for resource in place["resources"] if resource["name"].startswith("web-")]
        if shown == [want]:
            return time.time() - sent
    raise RuntimeError(f"{path} does not show {want}: {status}")


def p12_ingest(bench):
    """Watch events of pods, each of which turns a pod over, until they are rows; and single ones until the status shows them."""
    stub = Stub(bench, HOSTS)
    fleet = Fleet(bench, "p12").onboard(sorted(stub.kubeconfigs.iterdir())).deploy(1)
    stub.wait(lambda s: s["watches"] >= 2 * HOSTS, 60, "a watch for each kind on each host")
    stub.ask(f"pods {PODS} {fleet.label()}")
    seen, count = Seen(fleet), HOSTS * PODS

    link = http.client.HTTPConnection("127.0.0.1", fleet.daemon.port, timeout=30)
    delays = sorted(shown_after(fleet, stub, link, n, (n // HOSTS) % 2 == 0) for n in range(PROBES))
    median, p99 = statistics.median(delays), delays[math.ceil(0.99 * len(delays)) - 1]

    ready = False                        # what the first round of the stub says
    stub.ask(f"emit {HOSTS} {PODS}")
    seen.wait(count, ready)
    seen.rows("CREATE TABLE bench_seen (LIKE unit_seen INCLUDING ALL)")
    seen.rows("INSERT INTO bench_seen SELECT * FROM unit_seen WHERE name LIKE 'web-%%+Pod'")
    ratios, figures = [], []
    for _ in range(bench.rounds):
        ready = not ready
        raw = seen.batched(ready)
        stub.ask("mark")
        stub.ask(f"emit {HOSTS} {PODS}")
        done = seen.wait(count, ready)
        got = count / (done - stub.stats()["events_first"])
        ratios.append(got / raw)
        figures.append((got, raw))
    got, limit = (statistics.median(column) for column in zip(*figures))
    bench.row("P12", ratios, 0.20, holds=p99 <= 0.200, limit=limit, got=got, events=count, p50=median, p99=p99)
    seen.link.close()
    fleet.end()
    stub.end()


CONNECTED, KNOWN, TRACKED = 1000, 10000, 100


def p18_scale(bench):
    """10,000 clusters known, 1,000 of them connected, with so many resources tracked on each: resident memory, and a million's."""
    stub = Stub(bench, CONNECTED)
    fleet = Fleet(bench, "p18").onboard(sorted(stub.kubeconfigs.iterdir()), known=KNOWN - CONNECTED)
    fleet.forget_all(900)
    fleet.deploy(1, 300)
    daemon, seen = fleet.daemon, Seen(fleet)

    def resident_with(pods):
        daemon.stop(120)
        stub.ask(f"pods {pods} {fleet.label()}")
        daemon.start()
        stub.wait(lambda s: s["watches"] >= 2 * CONNECTED, 180, "a watch for each kind on each host")
        if pods > 0:
            seen.wait(CONNECTED * pods, True, 300)
        return resting_kb(daemon.process.pid)
    # What a start leaves behind in the heap differs by a multiple of what is asked for: only medians tell.
    pairs = [(resident_with(0), resident_with(TRACKED)) for _ in range(min(bench.rounds, 3))]
    bare, tracked = (statistics.median(column) for column in zip(*pairs))
    count = CONNECTED * TRACKED
    each = max(tracked - bare, 0) * 1024 / count
    million_mb = (bare + each * (10 ** 6) / 1024) / 1024
    bench.row("P18b", 512 / million_mb, 1, million_mb=million_mb, resident_mb=tracked / 1024, bare_mb=bare / 1024, known=KNOWN,
              connected=CONNECTED, tracked=count, bytes_each=each)
    seen.link.close()
    fleet.end()
    stub.end()


ROWS = {"P12": p12_ingest, "P18b": p18_scale}
