"""P19: event streams. What one costs in memory, and how long after a commit its event is there."""
import os
import pathlib
import re
import resource
import select
import socket
import statistics
import time

from bench import conftest, psycopg2
import emco

STREAMS, GROUPS, GAP_S = 2_000, 20, 0.1
EVENT = b"event: status\n"


class Readers:
    """Streams on loopback, read by one loop: when did how many get an event?"""

    def __init__(self):
        self.poll, self.links, self.room = select.epoll(), {}, bytearray(65536)

    def open(self, port, path=None):
        link = socket.create_connection(("127.0.0.1", port), timeout=30)
        if path is not None:
            link.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        link.setblocking(False)
        self.links[link.fileno()] = link
        self.poll.register(link.fileno(), select.EPOLLIN)

    def wait(self, count, seconds=30):
        """The moments at which the next so many events came."""
        times, until = [], time.monotonic() + seconds
        while len(times) < count:
            ready = self.poll.poll(max(until - time.monotonic(), 0.01))
            if time.monotonic() > until:
                raise RuntimeError(f"{len(times)} of {count} events within {seconds} s")
            for fd, _ in ready:
                size = self.links[fd].recv_into(self.room)
                if size == 0:
                    raise RuntimeError("a stream has ended")
                times += [time.monotonic()] * self.room.count(EVENT, 0, size)
        return times

    def close(self):
        for link in self.links.values():
            link.close()
        self.poll.close()


def resident_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def percentile(values, share):
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def write_loop(rounds, size):
    """The limit: a loop that writes as many bytes to as many sockets, read by the same reader: seconds until the last."""
    readers, took = Readers(), []
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        accepted = []
        for _ in range(STREAMS):
            readers.open(server.getsockname()[1])
            accepted.append(server.accept()[0])
        text = EVENT + b"x" * (size - len(EVENT))
        for _ in range(rounds):
            begun = time.monotonic()
            pid = os.fork()
            if pid == 0:
                for link in accepted:
                    link.sendall(text)
                os._exit(0)
            times = readers.wait(STREAMS)
            os.waitpid(pid, 0)
            took.append(percentile(times, 0.99) - begun)
        for link in accepted:
            link.close()
    readers.close()
    return statistics.median(took)


def p19_streams(bench):
    """2,000 streams of 20 deployments: one of them changes, for 100 streams; and all at once, for each stream."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 3 * STREAMS), hard) if soft < 3 * STREAMS else (soft, hard))
    daemon = conftest.Daemon(bench.folder / "p19", bench.postgres, bench.helm, controllers={},
                             options={"log_level": "warning", "event_streams": STREAMS})
    bench.daemons.append(daemon.start())
    api = daemon.client()
    api.make("projects", emco.named("p19"))
    api.make("projects/p19/composite-apps", emco.named("ca", compositeAppVersion="v1"))
    base = "projects/p19/composite-apps/ca/v1/deployment-intent-groups"
    groups = [f"g{number:02d}" for number in range(GROUPS)]
    for group in groups:
        api.make(base, emco.named(group, compositeProfile="cp", version="r1", logicalCloud="lc"))
        assert api.get(f"{base}/{group}/status").status_code == 200
    # A first one, and its end: what is made once is no stream's.
    first = Readers()
    first.open(daemon.events_port, f"/v2/{base}/g00/status?watch=true")
    first.wait(1)
    first.close()
    before = resident_kb(daemon.process.pid)
    readers = Readers()
    for number in range(STREAMS):
        readers.open(daemon.events_port, f"/v2/{base}/{groups[number % GROUPS]}/status?watch=true")
    readers.wait(STREAMS)
    link = psycopg2.connect(bench.postgres.dsn_of(daemon.database))
    link.autocommit = True
    cursor = link.cursor()
    size = len(api.get(f"{base}/g00/status").content) + 80

    def change(names):
        """As another host of the same database would: a commit, and its word.  The moment before the commit."""
        paths = [f"{base}/{name}" for name in names]
        begun = time.monotonic()
        cursor.execute("""INSERT INTO action (owner, seq, state) SELECT r.id, 1 + (SELECT max(seq) FROM action WHERE owner = r.id),
            'Created' FROM resource r WHERE r.path = ANY (%s)""", (paths,))
        assert cursor.rowcount == len(names)
        cursor.execute("NOTIFY emcod, '2'")
        return begun
    one, every = [], []
    for turn in range(bench.rounds):
        for group in groups:
            begun = change([group])
            one += [at - begun for at in readers.wait(STREAMS // GROUPS)]
            time.sleep(GAP_S)
        begun = change(groups)
        every += [at - begun for at in readers.wait(STREAMS)]
        time.sleep(5 * GAP_S)
    each_kb = (resident_kb(daemon.process.pid) - before) / STREAMS
    limit = write_loop(bench.rounds, size)
    lag, lag_all = percentile(one, 0.99), percentile(every, 0.99)
    bench.row("P19", min(0.050 / max(lag, lag_all), 64 / each_kb), 1, got_s=lag, p50=statistics.median(one), all_s=lag_all,
              all_p50=statistics.median(every), limit_all_s=limit, kb_a_stream=each_kb, streams=STREAMS, bytes=size)
    readers.close()
    link.close()


ROWS = {"P19": p19_streams}
