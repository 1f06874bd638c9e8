"""Black-box tests: the installed daemon, a real PostgreSQL, the real Helm, real Git repositories.

The fixtures own their processes and end them.  EMCO_STAGE names the folder that the daemon was installed into (the build
target `stage` makes it); everything else is made here.  Nothing sleeps: tests wait for a condition, with a deadline.
"""
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid

import psycopg2
import pytest
import requests

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from described import Described  # noqa: E402
from emco import Client, Remote  # noqa: E402

SOURCE = pathlib.Path(__file__).resolve().parents[2]
STAGE = pathlib.Path(os.environ.get("EMCO_STAGE", SOURCE / "build" / "dev" / "stage"))


def wait_for(condition, seconds=30, what="the condition"):
    """The first true value of condition(); fails the test when it does not come in time.  what: text, or what makes it then."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"{what() if callable(what) else what} did not hold within {seconds} s")
        time.sleep(0.02)


def free_port():
    """Below those that the system gives to connections: between this look and its use one of these would take it now and then."""
    for _ in range(100):
        port = random.randrange(15000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port between 15000 and 32000")


def pid_lives(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Postgres:
    """
    A private cluster, started and stopped by the same script that developers use.

    Only one that is durable may be killed: what it has confirmed survives.  The others trade that for speed.
    """

    def __init__(self, folder, durable=False):
        self.folder, self.durable = folder, durable
        self.dsn = None

    def _script(self, verb):
        environment = dict(os.environ, EMCO_PG_FAST="1")
        done = subprocess.run([SOURCE / "scripts" / "dev-postgres", verb, self.folder], env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"dev-postgres {verb}: {done.stderr}"
        return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""

    def start(self):
        self._script("start")
        self.dsn = self._script("dsn")
        if self.durable:
            self.sql("ALTER ROLE emco SET synchronous_commit = on")
        return self

    def stop(self):
        self._script("stop")

    def remove(self):
        self._script("remove")

    def kill(self):
        """kill -9 of the postmaster; its children follow it."""
        assert self.durable, "what this server has confirmed would be lost"
        link = psycopg2.connect(self.dsn)
        backend = link.get_backend_pid()
        parent = int(pathlib.Path(f"/proc/{backend}/stat").read_text().rsplit(")", 1)[1].split()[1])
        os.kill(parent, signal.SIGKILL)
        wait_for(lambda: not pid_lives(parent), 10, "the end of PostgreSQL")

    def sql(self, statement, database="emco", fetch=False):
        link = psycopg2.connect(self.dsn_of(database))
        try:
            link.autocommit = True
            with link.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if fetch else None
        finally:
            link.close()

    def dsn_of(self, database):
        return " ".join(p for p in self.dsn.split() if not p.startswith("dbname=")) + f" dbname={database}"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    server = Postgres(tmp_path_factory.mktemp("postgres")).start()
    yield server
    server.remove()


@pytest.fixture
def durable_postgres(tmp_path):
    server = Postgres(tmp_path / "pg", durable=True).start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def helm():
    found = subprocess.run([SOURCE / "scripts" / "fetch-helm"], stdout=subprocess.PIPE, text=True, timeout=600, check=True)
    return found.stdout.strip()


class Daemon:
    """One emcod on a database of its own: start, stop, kill, start again."""

    def __init__(self, folder, postgres, helm, options=None, controllers=None, database=None):
        self.folder = pathlib.Path(folder)
        self.postgres = postgres
        self.database = database or "t" + uuid.uuid4().hex[:12]
        if database is None:
            postgres.sql(f"CREATE DATABASE {self.database}")
        self.port, self.health_port, self.events_port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.health_url = f"http://127.0.0.1:{self.health_port}"
        self.log = self.folder / "emcod.log"
        self.controllers = self.folder / "controllers.d"
        self.data = self.folder / "data"
        self.process = None
        for made in (self.controllers, self.data):
            made.mkdir(parents=True, exist_ok=True)
        self.key = self.folder / "seal.key"
        if not self.key.exists():
            subprocess.run([self.binary, "--make-key", self.key], check=True, timeout=30)
        self.options = {
            "listen": f"127.0.0.1:{self.port}", "health_listen": f"127.0.0.1:{self.health_port}",
            "events_listen": f"127.0.0.1:{self.events_port}",
            "database": postgres.dsn_of(self.database), "seal_key_file": str(self.key),
            "plugin_dir": str(STAGE / "lib" / "emco" / "plugins"), "controllers_dir": str(self.controllers),
            "data_dir": str(self.data), "helm": helm,
        }
        self.options.update(options or {})
        for name, text in (controllers if controllers is not None else DEFAULT_CONTROLLERS).items():
            self.controller(name, text)

    binary = STAGE / "sbin" / "emcod"

    def controller(self, name, text):
        path = self.controllers / f"{name}.conf"
        path.write_text(text)
        path.chmod(0o644)

    @property
    def config(self):
        path = self.folder / "emcod.conf"

        def literal(value):
            if isinstance(value, bool):
                return "true" if value else "false"
            return str(value) if isinstance(value, int) else '"%s"' % value
        path.write_text("".join(f"{name} = {literal(value)};\n" for name, value in self.options.items()))
        return path

    def spawn(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.binary, "-c", self.config], stdout=log, stderr=log,
                                            env=dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=0"))
        return self

    def start(self, seconds=60):
        self.spawn()
        wait_for(self.is_ready, seconds, lambda: f"readiness of emcod ({self.tail()})")
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            pytest.fail(f"emcod ended with {self.process.returncode}: {self.tail()}")
        try:
            return requests.get(self.url + "/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def kill(self):
        """kill -9: the way machines die."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self, seconds=30):
        if self.process is None or self.process.poll() is not None:
            return None
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            pytest.fail(f"emcod did not stop within {seconds} s of SIGTERM: {self.tail()}")

    def tail(self, lines=12):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def sql(self, statement):
        return self.postgres.sql(statement, self.database, fetch=True)

    def count(self, table, where="true"):
        return self.sql(f"SELECT count(*) FROM {table} WHERE {where}")[0][0]

    def client(self):
        return Client(self.url)


DEFAULT_CONTROLLERS = {
    "rsync": 'plugin = "rsync";\noptions = { retry_min_ms = 100; retry_max_ms = 1000; };\n',
    "nearest": 'plugin = "placement-nearest";\nname = "nearest";\n',
    "annotate": 'plugin = "action-annotate";\nname = "annotate";\n',
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, postgres, helm):
    """The daemon that most tests of a module share: they use projects and providers of their own."""
    server = Daemon(tmp_path_factory.mktemp("emcod"), postgres, helm).start()
    yield server
    status = server.stop()
    assert status == 0, f"emcod stopped with {status}: {server.tail(60)}"


@pytest.fixture
def api(daemon):
    return daemon.client()


@pytest.fixture
def make_daemon(tmp_path, postgres, helm):
    """Daemons of a test's own; all are ended with it."""
    made = []

    def make(**arguments):
        made.append(Daemon(tmp_path / f"emcod{len(made)}", postgres, helm, **arguments))
        return made[-1]
    yield make
    for server in made:
        if server.process is not None and server.process.poll() is None:
            server.process.kill()
            server.process.wait(10)


@pytest.fixture
def unique():
    """A name nobody else uses."""
    return "n" + uuid.uuid4().hex[:10]


@pytest.fixture
def remote(tmp_path):
    """Makes bare Git repositories."""
    def make(name="edge"):
        return Remote.create(tmp_path / f"{name}.git")
    return make


def pytest_sessionstart(session):
    if not (STAGE / "sbin" / "emcod").exists():
        pytest.exit(f"no emcod below {STAGE}: run `make test`, or set EMCO_STAGE", returncode=3)
    if shutil.which("git") is None:
        pytest.exit("git is missing", returncode=3)
    Client.check = Described().check
