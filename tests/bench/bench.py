"""What all rows need: a PostgreSQL with its durability on, daemons, tools, and the form of a row."""
import math
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = SOURCE / "build" / "release"
STAGE = BUILD / "stage"
TOOLS = BUILD / "tests" / "bench"
sys.path.insert(0, str(SOURCE / "tests" / "api"))
os.environ["EMCO_STAGE"] = str(STAGE)

import conftest  # noqa: E402
import psycopg2  # noqa: E402

CLIENTS = 8
STEAL = 7                                # in times()
THREADS = 16


def run(*command, **arguments):
    arguments.setdefault("timeout", 300)
    return subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True,
                          **arguments)


def pgbin(name):
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return found[-1] if found else name


def interval(values):
    """Between which two of them the median of all there could be lies, 95 times of 100; of fewer than six nothing is known."""
    values, count, ranks, tail = sorted(values), len(values), 0, 0.0
    while ranks < count // 2 and 2 * (tail + math.comb(count, ranks) / 2 ** count) <= 0.05:
        tail += math.comb(count, ranks) / 2 ** count
        ranks += 1
    if ranks == 0:
        return (statistics.median(values),) * 2
    return values[ranks - 1], values[count - ranks]


def times():
    """Of all processors, since boot: user, nice, system, idle, iowait, irq, softirq, steal."""
    return [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]


class Bench:
    """A PostgreSQL with its durability on, a daemon without controllers, and the tools."""

    def __init__(self, folder, rounds, seconds):
        self.folder, self.rounds, self.seconds = folder, rounds, seconds
        self.postgres = Durable(folder / "pg").start()
        self.helm = run(SOURCE / "scripts" / "fetch-helm").stdout.strip()
        self.daemon = conftest.Daemon(folder / "emcod", self.postgres, self.helm, controllers={},
                                      options={"threads": THREADS, "log_level": "warning", "database_connections": 16})
        self.daemon.start()
        self.api = self.daemon.client()
        self.failed = False
        self.begun = times()             # of the rows that are measured together
        self.helpers, self.daemons = [], []

    def close(self):
        for process in self.helpers:
            if process.poll() is None:
                end(process)
        for daemon in [*self.daemons, self.daemon]:
            daemon.stop(120)
        self.postgres.remove()

    def row(self, name, ratio, gate, holds=True, **facts):
        """
        ratio: one, or that of each round; then the row is short when the 95 % interval of the median lies below the gate.
        holds: whether what the gate asks besides the ratio is so.
        """
        median, high = ratio, ratio
        if isinstance(ratio, list):
            median, (low, high) = statistics.median(ratio), interval(ratio)
            facts = {"low": low, "high": high, "rounds": len(ratio), **facts}
        word = "ok" if high >= gate and holds else "short"
        self.failed = self.failed or word == "short"
        now, then = times(), self.begun
        facts["stolen"] = (now[STEAL] - then[STEAL]) / max(1, sum(now) - sum(then))
        shown = " ".join(f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in facts.items())
        print(f"{name} {median:.3f} {gate:g} {word} {shown}", flush=True)

    def wrk(self, url, script=None):
        """(requests per second, p50 in s, p99 in s)"""
        command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{self.seconds}s", "--latency", url]
        if script is not None:
            path = self.folder / "wrk.lua"
            path.write_text(script)
            command[1:1] = ["-s", str(path)]
        out = run(*command).stdout
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
        if bad:
            raise RuntimeError(f"{url}: {bad.group(1)} answers were no success")
        unit = {"us": 1e-6, "ms": 1e-3, "s": 1.0}

        def share(word):
            value, suffix = re.search(rf"{word}%\s+([\d.]+)(us|ms|s)", out).groups()
            return float(value) * unit[suffix]
        return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), share("50"), share("99")

    def pgbench(self, script):
        path = self.folder / "bench.sql"
        path.write_text(script)
        out = run(pgbin("pgbench"), "-n", "-M", "prepared", "-c", CLIENTS, "-j", 2, "-T", self.seconds, "-f", path,
                  self.postgres.dsn_of(self.daemon.database)).stdout
        return float(re.search(r"tps = ([\d.]+)", out).group(1))

    def statements(self, work):
        """The statements that the server runs during work, as [(name, sql, parameters)], read from PostgreSQL's log."""
        log = self.postgres.log()
        before = log.stat().st_size
        self.postgres.sql("ALTER SYSTEM SET log_min_duration_statement = 0")
        self.postgres.sql("SELECT pg_reload_conf()")
        time.sleep(0.5)
        work()
        time.sleep(0.5)
        self.postgres.sql("ALTER SYSTEM RESET log_min_duration_statement")
        self.postgres.sql("SELECT pg_reload_conf()")
        with open(log, "rb") as stream:
            stream.seek(before)
            text = stream.read().decode(errors="replace")
        found = re.findall(r"execute (resource_\w+): (.*?)\n[^\n]*DETAIL:\s+parameters: (.*?)\n", text, re.S)
        return [(name, sql, dict(re.findall(r"\$(\d+) = ('(?:[^']|'')*'|NULL)", values))) for name, sql, values in found]

    def hello(self):
        port = conftest.free_port()
        process = subprocess.Popen([TOOLS / "bench-hello", str(port), str(THREADS)])
        self.helpers.append(process)
        url = f"http://127.0.0.1:{port}/"
        conftest.wait_for(lambda: answers(url), 10, "bench-hello")
        return process, url


class Durable(conftest.Postgres):
    """The same private cluster, but with fsync as in production, and asked over connections that stay: to open one costs more of
    the processors than a row that is polled meanwhile can spare."""

    def __init__(self, folder):
        super().__init__(folder, durable=True)
        self.links = {}

    def sql(self, statement, database="emco", fetch=False):
        link = self.links.pop(database, None)
        if link is None or not lives(link):
            link = psycopg2.connect(self.dsn_of(database))
            link.autocommit = True
        with link.cursor() as cursor:
            cursor.execute(statement)
            rows = cursor.fetchall() if fetch else None
        self.links[database] = link      # not after an error: whoever asks next connects anew
        return rows

    def _script(self, verb):
        environment = {key: value for key, value in os.environ.items() if key != "EMCO_PG_FAST"}
        out = run(SOURCE / "scripts" / "dev-postgres", verb, self.folder, env=environment).stdout.strip()
        return out.splitlines()[-1] if out else ""

    def start(self):
        super().start()
        self.sql("ALTER SYSTEM SET track_commit_timestamp = on", "postgres")     # rows tell from which commit on they count
        self.stop()
        return super().start()

    def pids(self):
        """Its processes."""
        home = self.log().parent
        parent = next(home.rglob("postmaster.pid")).read_text().split()[0]
        return run("pgrep", "-P", parent).stdout.split()

    def log(self):
        location = self.folder / "location"
        home = pathlib.Path(location.read_text().strip()) if location.exists() else self.folder / "cluster"
        return home / "log"


def lives(link):
    """Whether a kept connection has outlived restarts of the server."""
    try:
        with link.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except psycopg2.Error:
        return False


def answers(url):
    try:
        return conftest.requests.get(url, timeout=2).status_code == 200
    except conftest.requests.RequestException:
        return False


def end(process):
    process.send_signal(signal.SIGTERM)
    process.wait(10)


def bound(sql, values):
    """The statement with its parameters as literals or expressions."""
    return re.sub(r"\$(\d+)", lambda m: values[m.group(1)], sql).replace("\n", " ")
