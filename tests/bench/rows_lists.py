"""P3, P4 and P5: what must not grow with the number of siblings, and lists."""
import http.client
import pathlib
import re
import socket
import statistics
import time

from bench import psycopg2
import emco

SIBLINGS = (1_000, 100_000, 1_000_000)
DELETES = 100
LISTED, LISTED_BYTES = 10_000, 680
PAGE, PAGES = 100, 5_000


def siblings(bench, project, count, description=""):
    """So many composite apps below a project of its own, put beside one that REST made."""
    bench.api.make("projects", emco.named(project))
    body = emco.named("a0000000", compositeAppVersion="v1")
    body["metadata"]["description"] = description
    bench.api.make(f"projects/{project}/composite-apps", body)
    bench.postgres.sql(f"""INSERT INTO resource (path, type, parent, name, doc)
        SELECT replace(r.path, 'a0000000', n.name), r.type, r.parent, replace(r.name, 'a0000000', n.name),
               replace(r.doc, 'a0000000', n.name)
        FROM resource r, (SELECT 'a' || lpad(i::text, 7, '0') AS name FROM generate_series(1, {count - 1}) AS i) AS n
        WHERE r.path = 'projects/{project}/composite-apps/a0000000/v1'""", bench.daemon.database)
    bench.postgres.sql("ANALYZE resource", bench.daemon.database)
    return f"projects/{project}/composite-apps"


class Http:
    """One connection that stays."""

    def __init__(self, bench):
        self.link = http.client.HTTPConnection("127.0.0.1", bench.daemon.port, timeout=60)
        self.link.connect()

    def get(self, path, **headers):
        """(seconds until the head, seconds in all, bytes)"""
        begun = time.monotonic()
        self.link.request("GET", f"/v2/{path}", headers=headers)
        answer = self.link.getresponse()
        first = time.monotonic() - begun
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status} {body[:200]}")
        return first, time.monotonic() - begun, len(body)


class Wire:
    """One connection that stays, and nothing of a client but the bytes: what is left is the server's."""

    def __init__(self, bench):
        self.socket = socket.create_connection(("127.0.0.1", bench.daemon.port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, path, method="GET", want=200):
        """Seconds until the last byte."""
        request = f"{method} /v2/{path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
        begun = time.monotonic()
        self.socket.sendall(request)
        answer = self.socket.recv(1 << 18)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        left = (int(length[1]) if length else 0) - len(body)
        while left > 0:
            piece = self.socket.recv(left)
            assert piece, f"{left} bytes are missing"
            left -= len(piece)
        took = time.monotonic() - begun
        assert head.startswith(b"HTTP/1.1 %d " % want) and (length or want == 204), head
        return took


def connect(bench):
    link = psycopg2.connect(bench.postgres.dsn_of(bench.daemon.database))
    link.autocommit = True
    return link, link.cursor()


RAW_DELETE = """PREPARE bench_delete AS DELETE FROM resource r WHERE path = $1
    AND NOT EXISTS (SELECT FROM resource c WHERE c.parent = r.id) AND NOT EXISTS (SELECT FROM resource_ref x WHERE x.dst = r.id)"""


def p3_delete(bench):
    """DELETE of one of so many siblings, and of their parent, which is refused; against EXISTS and DELETE alone."""
    link, cursor = connect(bench)
    cursor.execute(RAW_DELETE)
    found = {}
    for count in SIBLINGS:
        path = siblings(bench, f"p3-{count}", count)
        names = iter([f"{path}/a{number:07d}/v1" for number in range(1, min(count, 2 * DELETES * bench.rounds + 1))])
        wire = Wire(bench)                       # a new one: idle ones are closed while siblings are put there
        each = min(DELETES, (count - 1) // (2 * bench.rounds))
        ours, raw, refused = [], [], []
        for _ in range(bench.rounds):
            begun = time.monotonic()
            for _ in range(each):
                cursor.execute("EXECUTE bench_delete (%s)", (next(names),))
                assert cursor.rowcount == 1
            raw.append((time.monotonic() - begun) / each)
            begun = time.monotonic()
            for _ in range(each):
                wire.ask(next(names), "DELETE", 204)
            ours.append((time.monotonic() - begun) / each)
            refused.append(statistics.median(wire.ask(f"projects/p3-{count}", "DELETE", 409) for _ in range(20)))
        found[count] = [statistics.median(column) for column in (ours, raw, refused)]
    ours, raw, refused = (found[SIBLINGS[1]][n] for n in range(3))
    grows = found[SIBLINGS[-1]][0] / found[SIBLINGS[0]][0]
    refusal_grows = found[SIBLINGS[-1]][2] / found[SIBLINGS[0]][2]
    bench.row("P3", raw / ours, 0.5, holds=max(grows, refusal_grows) <= 2, limit_s=raw, got_s=ours, refused_s=refused,
              million_over_thousand=grows, refused_million_over_thousand=refusal_grows)
    link.close()


class Sink:
    def write(self, data):
        pass


def memory_kb(bench, key):
    return int(re.search(rf"{key}:\s+(\d+) kB", pathlib.Path(f"/proc/{bench.daemon.process.pid}/status").read_text()).group(1))


def p4_list(bench):
    """A list of 10,000, as it is and compressed, against COPY of the same texts."""
    path = siblings(bench, "p4", LISTED, "d" * (LISTED_BYTES - 130))
    link, cursor = connect(bench)
    http_link = Http(bench)
    copy = f"COPY (SELECT doc FROM resource WHERE path LIKE '{path}/%' ORDER BY path) TO STDOUT"
    for row, headers in (("P4", {}), ("P4z", {"Accept-Encoding": "gzip"})):
        ratios, figures = [], []
        http_link.get(path, **headers)
        for _ in range(bench.rounds):
            begun = time.monotonic()
            cursor.copy_expert(copy, Sink())
            raw = time.monotonic() - begun
            pathlib.Path(f"/proc/{bench.daemon.process.pid}/clear_refs").write_text("5")
            before = memory_kb(bench, "VmRSS")
            first, got, size = http_link.get(path, **headers)
            ratios.append(raw / got)
            figures.append((raw, got, first, (memory_kb(bench, "VmHWM") - before) / 1024, size))
        raw, got, first, grown, size = (statistics.median(column) for column in zip(*figures))
        bench.row(row, ratios, 0.5, holds=first <= 0.010 and grown <= 2, limit_s=raw, got_s=got, first_s=first,
                  grown_mb=grown, bytes=size)
    link.close()


def p5_page(bench):
    """A page of 100: the first, and the five-thousandth, against the same select by key."""
    path = siblings(bench, "p5", PAGE * PAGES)
    link, cursor = connect(bench)
    wire = Wire(bench)
    cursor.execute(f"""PREPARE bench_page AS SELECT path, doc FROM resource WHERE parent = (SELECT id FROM resource WHERE path =
        'projects/p5') AND type = 'compositeAppVersion' AND path > $1 ORDER BY path LIMIT {PAGE}""")
    last = f"a{PAGE * (PAGES - 1) - 1:07d}/v1"
    figures = []
    for _ in range(bench.rounds):
        row = []
        for after in ("", last):
            took = []
            for _ in range(50):
                begun = time.monotonic()
                cursor.execute("EXECUTE bench_page (%s)", (f"{path}/{after}",))
                assert len(cursor.fetchall()) == PAGE
                took.append(time.monotonic() - begun)
            row.append(statistics.median(took))
            row.append(statistics.median(wire.ask(f"{path}?limit={PAGE}&continue={after}") for _ in range(50)))
        figures.append(row)
    raw, shallow, raw_deep, deep = (statistics.median(column) for column in zip(*figures))
    bench.row("P5", raw_deep / deep, 1 / 3, holds=deep <= 1.2 * shallow, limit_s=raw, got_s=shallow, deep_limit_s=raw_deep,
              deep_s=deep, deep_over_shallow=deep / shallow)
    link.close()


ROWS = {"P3": p3_delete, "P4": p4_list, "P5": p5_page}
