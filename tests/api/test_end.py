"""SIGTERM ends the daemon within a bound, whatever PostgreSQL or Helm does meanwhile; what was cut is as after kill -9."""
import itertools
import os
import pathlib
import signal
import time

import pytest

from conftest import Daemon, Postgres, pid_lives, wait_for
from emco import Attempt, Scene, profile, simple_chart
from test_crash import build, duration, expect_consistent, expect_whole, repeat, settled

STOP_S = 5                       # stop_timeout_ms
REST_S = 5                       # what the daemon takes for everything else: docs/operate.md
SLACK_S = 5                      # for a machine that is busy
BOUND_S = STOP_S + REST_S + SLACK_S


class Frozen(Postgres):
    """A PostgreSQL that can stand still: its machine swaps, or its disk hangs."""

    def children(self):
        """Looked up when the postmaster has its signal already, so that it starts none that we miss."""
        for process in pathlib.Path("/proc").iterdir():
            if process.name.isdigit() and self.parent_of(process) == self.postmaster:
                yield int(process.name)

    @staticmethod
    def parent_of(process):
        try:
            return int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            return None

    def begin(self):
        self.start()
        self.postmaster = int((self.data() / "postmaster.pid").read_text().splitlines()[0])
        return self

    def data(self):
        return pathlib.Path(self.sql("SHOW data_directory", "postgres", fetch=True)[0][0])

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def signal(self, number):
        for process in itertools.chain([self.postmaster], self.children()):
            try:
                os.kill(process, number)
            except ProcessLookupError:           # a child that has just ended, or all of them
                pass


@pytest.fixture
def own(tmp_path):
    server = Frozen(tmp_path / "pg", durable=True).begin()
    yield server
    server.thaw()
    server.remove()


@pytest.fixture
def start(tmp_path, own, helm):
    """The daemon on that PostgreSQL, running."""
    made = []

    def make(**options):
        made.append(Daemon(tmp_path / "emcod", own, helm, options={"stop_timeout_ms": STOP_S * 1000, **options}).start())
        return made[-1]
    yield make
    for daemon in made:
        if daemon.process.poll() is None:
            daemon.kill()


def expect_end(daemon):
    begun = time.monotonic()
    assert daemon.stop(BOUND_S) == 0, daemon.tail()
    print(f"ended after {time.monotonic() - begun:.1f} s")


def harm(own, how):
    if how == "killed":
        own.kill()
    else:
        own.freeze()


def mend(own, how):
    if how == "killed":
        own.begin()
    else:
        own.thaw()


@pytest.mark.parametrize("how", ["killed", "still"])
def test_a_daemon_at_rest_ends_while_the_database_is_away(own, start, how):
    daemon = start()
    harm(own, how)
    expect_end(daemon)


@pytest.mark.parametrize("how", ["killed", "still"])
def test_a_daemon_that_has_noticed_ends_too(own, start, how):
    daemon = start()
    harm(own, how)
    wait_for(lambda: not daemon.is_ready(), 30, "that it is not ready")
    expect_end(daemon)


@pytest.mark.parametrize("part", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("how", ["killed", "still"])
def test_an_instantiate_is_cut_when_the_database_is_away(own, start, remote, unique, how, part):
    daemon = start()
    scene = build(daemon, remote, unique)
    length = duration(scene, "instantiate", "Instantiated")
    duration(scene, "terminate", "Terminated")
    scene.profile("web", profile("replicas: 7\n"))
    attempt = Attempt(daemon.client(), f"{scene.dig}/instantiate")
    time.sleep(length * part)                # the moment of harm, not a wait for anything
    harm(own, how)
    expect_end(daemon)
    attempt.join(30)
    mend(own, how)
    daemon.start()
    if attempt.code == 202:
        assert settled(scene.api, scene) == "Instantiated", "it was answered 202 and lost"
    elif settled(scene.api, scene) != "Instantiated":
        repeat(scene.api, f"{scene.dig}/instantiate", (202,))
    scene.wait("Instantiated", 90)
    expect_whole(scene)
    expect_consistent(daemon)


def test_an_instantiate_is_cut_that_waits_for_helm(tmp_path, start, helm, remote, unique):
    slow, runs = tmp_path / "helm", tmp_path / "pids"
    slow.write_text(f"#!/bin/sh\n[ \"$1\" = version ] || {{ echo $$ >>{runs}; exec sleep 600; }}\nexec {helm} \"$@\"\n")
    slow.chmod(0o755)
    daemon = start(helm=str(slow))
    scene = Scene(daemon.client(), unique)
    scene.clusters({"one": remote("one")}).cloud().apps({"web": simple_chart("web")}).deployment({"web": scene.by_name("one")})
    attempt = Attempt(daemon.client(), f"{scene.dig}/instantiate")
    wait_for(runs.exists, 30, "the begin of Helm")
    expect_end(daemon)
    attempt.join(30)
    assert attempt.code != 202
    assert not any(pid_lives(int(pid)) for pid in runs.read_text().split())
