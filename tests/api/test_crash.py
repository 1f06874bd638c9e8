"""kill -9 is a normal event: an operation answered 202 completes, one that was not answered is wholly there or absent."""
import itertools
import time

import pytest

from conftest import Daemon, wait_for
from emco import Attempt, Scene, profile, simple_chart

POINTS = 10


def build(daemon, remote, name):
    scene = Scene(daemon.client(), name)
    scene.clusters({"one": remote("one"), "two": remote("two")}, labels={"one": ["edge"], "two": ["edge"]})
    scene.cloud().apps({"web": simple_chart("web"), "db": simple_chart("db")})
    return scene.deployment({"web": scene.by_label("edge"), "db": scene.by_name("two")})


def expect_whole(scene):
    """Everything is there, once, and nothing else."""
    provider = scene.provider
    assert sorted(scene.remotes["one"].objects(f"{provider}+one")) == ["r1-web+ConfigMap.yaml", "r1-web+Deployment.yaml"]
    assert len(scene.remotes["two"].objects(f"{provider}+two")) == 4
    contexts = {path.split("/")[3] for path in scene.remotes["two"].files() if path.startswith(f"clusters/{provider}+two/context/")}
    assert len(contexts) == 1


def expect_consistent(daemon):
    """No half: every unit has its context, every context its owner, no operation is left behind."""
    assert daemon.count("operation") == 0
    assert daemon.sql("SELECT count(*) FROM app_context c LEFT JOIN action a ON a.instance = c.id WHERE a.instance IS NULL")[0][0] == 0


def settled(api, scene):
    """The last state that is recorded, once no operation holds the deployment."""
    return scene.status()["states"]["actions"][-1]["state"]


def repeat(api, path, allowed):
    """POST until it is accepted: a killed operation is taken over, not stuck."""
    def accepted():
        answer = api.post(path)
        assert answer.status_code in (*allowed, 409, 503), answer.text
        return answer.status_code in allowed
    wait_for(accepted, 30, f"acceptance of {path}")


def duration(scene, verb, state):
    begun = time.monotonic()
    assert scene.api.post(f"{scene.dig}/{verb}").status_code == 202
    scene.wait(state)
    return time.monotonic() - begun


def test_kill_at_ten_points_of_an_instantiate_and_of_a_terminate(make_daemon, remote, unique):
    daemon = make_daemon()
    numbers = itertools.count()

    def remotes(_name):
        return remote(f"r{next(numbers)}")
    daemon.start()
    scene = build(daemon, remotes, unique)
    up, down = duration(scene, "instantiate", "Instantiated"), duration(scene, "terminate", "Terminated")

    for point in range(POINTS):
        for verb, length, state, settled_state in (("instantiate", up, "Instantiated", "Instantiated"),
                                                   ("terminate", down, "Terminated", "Terminated")):
            before = settled(scene.api, scene)
            # A changed profile keeps the render cache from making every turn alike.
            if verb == "instantiate":
                scene.profile("web", profile(f"replicas: {point + 2}\n"))
            attempt = Attempt(daemon.client(), f"{scene.dig}/{verb}")
            time.sleep(length * point / POINTS)          # the moment of death, not a wait for anything
            daemon.kill()
            attempt.join(30)
            daemon.start()
            now = settled(scene.api, scene)
            if attempt.code == 202:
                assert now == settled_state, f"{verb} at point {point} was answered 202 and lost"
            else:
                assert now in (before, settled_state), f"{verb} at point {point} left {now}"
                if now == before:
                    repeat(scene.api, f"{scene.dig}/{verb}", (202,))
            scene.wait(state)
            expect_consistent(daemon)
            if verb == "instantiate":
                expect_whole(scene)
            else:
                assert scene.remotes["one"].files() == {} and scene.remotes["two"].files() == {}
    commits = len(scene.remotes["one"].commits())
    daemon.kill()
    daemon.start()
    wait_for(lambda: settled(scene.api, scene) == "Terminated", 10, "the state after a restart")
    assert len(scene.remotes["one"].commits()) == commits, "a restart without work adds no commit"


# None: at the answer, when a commit that was only promised would be lost.
@pytest.mark.parametrize("part", [0.2, 0.5, 0.8, None])
def test_postgresql_is_killed_during_an_instantiate(tmp_path, durable_postgres, helm, remote, unique, part):
    own = durable_postgres
    daemon = Daemon(tmp_path / "emcod", own, helm)
    try:
        daemon.start()
        scene = build(daemon, remote, unique)
        length = duration(scene, "instantiate", "Instantiated")
        duration(scene, "terminate", "Terminated")
        scene.profile("web", profile("replicas: 7\n"))
        attempt = Attempt(daemon.client(), f"{scene.dig}/instantiate")
        if part is None:
            attempt.join(60)
        else:
            time.sleep(length * part)
        own.kill()
        attempt.join(60)
        own.start()
        wait_for(daemon.is_ready, 60, "readiness after the database came back")
        now = settled(scene.api, scene)
        assert attempt.code != 202 or now == "Instantiated", f"the instantiate was answered 202 and lost: {now}"
        if now != "Instantiated":
            repeat(scene.api, f"{scene.dig}/instantiate", (202,))
        scene.wait("Instantiated", 90)
        expect_whole(scene)
        expect_consistent(daemon)
        assert daemon.stop() == 0
    finally:
        if daemon.process and daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait(10)
