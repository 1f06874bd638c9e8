"""Controllers change the outcome, in order, and a failing one leaves nothing behind."""
import pathlib
import shutil

import pytest

from conftest import STAGE, wait_for
from emco import Scene, named, simple_chart

TRACE = 'plugin = "action-annotate";\nname = "%s";\npriority = %d;\noptions = { append = true; };\n'
RSYNC = 'plugin = "rsync";\noptions = { retry_min_ms = 100; retry_max_ms = 1000; };\n'
NEAREST = 'plugin = "placement-nearest";\nname = "nearest";\n'


def stage(api, name, remote, intents, labels=None):
    scene = Scene(api, name)
    scene.clusters({"one": remote("one"), "two": remote("two")}, labels=labels or {"two": ["ssd"]})
    scene.cloud().apps({"web": simple_chart("web")})
    return scene.deployment({"web": scene.any_of("one", "two")}, intents=intents, approve=False)


def annotations(scene, cluster):
    found = scene.remotes[cluster].objects(f"{scene.provider}+{cluster}", "web")
    return found["r1-web+Deployment.yaml"]["metadata"].get("annotations", {})


def test_without_a_placement_controller_the_first_alternative_is_taken(api, unique, remote):
    scene = stage(api, unique, remote, {})
    api.make(f"{scene.dig}/approve")
    scene.instantiate()
    assert scene.remotes["one"].commits() and not scene.remotes["two"].commits()


def test_the_placement_controller_chooses_another_cluster(api, unique, remote):
    scene = stage(api, unique, remote, {"nearest": "fast"})
    api.make(f"{scene.dig}/nearest-intents", named("fast", app="web", clusterLabel="ssd"))
    api.make(f"{scene.dig}/approve")
    scene.instantiate()
    assert scene.remotes["two"].commits() and not scene.remotes["one"].commits()


@pytest.mark.parametrize("first,second", [("red", "blue"), ("blue", "red")])
def test_swapping_priorities_swaps_the_order(make_daemon, unique, remote, first, second):
    priorities = {first: 1, second: 2}
    daemon = make_daemon(controllers={"rsync": RSYNC, **{name: TRACE % (name, rank) for name, rank in priorities.items()}})
    api = daemon.start().client()
    scene = stage(api, unique, remote, {"red": "red", "blue": "blue"})
    for name in priorities:
        api.make(f"{scene.dig}/annotation-intents", named(name, annotations={"example.org/order": name}))
    api.make(f"{scene.dig}/approve")
    scene.instantiate()
    assert annotations(scene, "one")["example.org/order"] == f"{first},{second}"


def test_a_record_overrides_the_priority(make_daemon, unique, remote):
    daemon = make_daemon(controllers={"rsync": RSYNC, "red": TRACE % ("red", 1), "blue": TRACE % ("blue", 2)})
    api = daemon.start().client()
    for name, priority in (("red", 20), ("blue", 10)):
        api.make("controllers", named(name, host="localhost", port=9033, type="action", priority=priority))
    scene = stage(api, unique, remote, {"red": "red", "blue": "blue"})
    for name in ("red", "blue"):
        api.make(f"{scene.dig}/annotation-intents", named(name, annotations={"example.org/order": name}))
    api.make(f"{scene.dig}/approve")
    scene.instantiate()
    assert annotations(scene, "one")["example.org/order"] == "blue,red"
    answer = api.delete("controllers/red")
    assert answer.status_code == 409 and "referenced" in answer.text


def test_a_failing_controller_leaves_no_context_and_no_unit_and_is_named(make_daemon, unique, remote):
    strict = NEAREST + "options = { strict = true; };\n"
    daemon = make_daemon(controllers={"rsync": RSYNC, "nearest": strict})
    api = daemon.start().client()
    scene = stage(api, unique, remote, {"nearest": "fast"})
    api.make(f"{scene.dig}/nearest-intents", named("fast", app="web", clusterLabel="nowhere"))
    api.make(f"{scene.dig}/approve")
    before = daemon.count("app_context"), daemon.count("unit")
    answer = api.post(f"{scene.dig}/instantiate")
    assert answer.status_code >= 400
    assert "nearest" in answer.text and "nowhere" in answer.text
    assert (daemon.count("app_context"), daemon.count("unit")) == before
    assert daemon.count("operation") == 0
    assert scene.status()["states"]["actions"][-1]["state"] == "Approved"

    answer = api.put(f"{scene.dig}/nearest-intents/fast", named("fast", app="web", clusterLabel="ssd"))
    assert answer.status_code in (200, 201), answer.text
    scene.instantiate()


def test_a_controller_that_nobody_has_is_refused_by_name(api, unique, remote):
    scene = stage(api, unique, remote, {"nobody": "x"})
    api.make(f"{scene.dig}/approve")
    answer = api.post(f"{scene.dig}/instantiate")
    assert answer.status_code == 404 and '"nobody"' in answer.text


def test_plugin_types_are_served_and_described(api, unique, remote):
    scene = stage(api, unique, remote, {})
    api.make(f"{scene.dig}/nearest-intents", named("i", clusterLabel="ssd"))
    assert [i["metadata"]["name"] for i in api.get(f"{scene.dig}/nearest-intents").json()] == ["i"]
    assert api.post(f"{scene.dig}/nearest-intents", named("j", clusterLabel=5)).status_code == 400
    paths = api.get("openapi.json").json()["paths"]
    assert any(path.endswith("/nearest-intents") for path in paths)


LISTENER = 'plugin = "test-listener";\noptions = { journal = "%s"; fail_at = "%s"; status = 9; };\n'


def told(journal):
    """What a listener wrote down of clusters: [(event, provider, cluster)]."""
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [tuple(line.split()[1:]) for line in lines if line.split()[1] in ("created", "updated", "deleted")]


def listening(make_daemon, tmp_path, fail_at=""):
    """A daemon with a listener; its plugins are copied beside it, because the test plugins are not installed."""
    plugins, journal = tmp_path / "plugins", tmp_path / "journal"
    plugins.mkdir(mode=0o755, exist_ok=True)
    shutil.copy(pathlib.Path(STAGE).parent / "tests" / "plugins" / "test-listener.so", plugins)
    daemon = make_daemon(controllers={"listener": LISTENER % (journal, fail_at)}, options={"plugin_dir": str(plugins)})
    return daemon.start(), journal


def onboard(api, provider, cluster, method="POST"):
    body = named(cluster, gitOps={"gitOpsType": "fluxcd", "gitOpsReferenceObject": "git", "gitOpsResourceObject": "git"})
    path = f"cluster-providers/{provider}/clusters" + ("" if method == "POST" else f"/{cluster}")
    answer = api.upload(path, body, method=method)
    assert answer.status_code in (200, 201), answer.text


def test_a_listener_hears_of_clusters_that_come_change_and_go(make_daemon, tmp_path, unique):
    daemon, journal = listening(make_daemon, tmp_path)
    api = daemon.client()
    api.make("cluster-providers", named(unique))
    onboard(api, unique, "one")
    onboard(api, unique, "one", "PUT")
    assert api.delete(f"cluster-providers/{unique}/clusters/one").status_code == 204
    wait_for(lambda: len(told(journal)) == 3, 10, "three events")
    assert told(journal) == [(event, unique, "one") for event in ("created", "updated", "deleted")]
    wait_for(lambda: daemon.count("outbox") == 0, 10, "an empty outbox")


def test_an_event_that_is_refused_is_told_again_also_after_a_kill(make_daemon, tmp_path, unique):
    daemon, journal = listening(make_daemon, tmp_path, fail_at="created")
    api = daemon.client()
    api.make("cluster-providers", named(unique))
    onboard(api, unique, "one")
    wait_for(lambda: len(told(journal)) >= 2, 10, "a second try")
    assert daemon.count("outbox") == 1
    daemon.kill()
    daemon.controller("listener", LISTENER % (journal, ""))
    journal.unlink()
    daemon.start()
    wait_for(lambda: told(journal) == [("created", unique, "one")], 30, "the event after the restart")
    wait_for(lambda: daemon.count("outbox") == 0, 10, "an empty outbox")


def test_a_controller_says_what_it_is_bound_to_and_how_it_is(make_daemon):
    daemon = make_daemon(controllers={"rsync": RSYNC, "red": TRACE % ("red", 7)})
    api = daemon.start().client()
    assert api.get("controllers/nobody/status").status_code == 404
    found = api.get("controllers/red/status").json()
    assert (found["name"], found["isRegistered"], found["priority"]) == ("red", False, 7)
    instance = found["instance"]
    assert (instance["plugin"], instance["priority"], instance["roles"], instance["health"]) == ("action-annotate", 7, ["action"], "ok")
    assert instance["calls"] == instance["failures"] == instance["late"] == 0

    api.make("controllers", named("red", host="localhost", port=9033, type="action", priority=20))
    found = api.get("controllers/red/status").json()
    assert (found["isRegistered"], found["priority"], found["instance"]["priority"]) == (True, 20, 7), "the record's own comes first"
    api.make("controllers", named("far", host="far.invalid", port=9033, type="action", priority=20))
    assert api.get("controllers/far/status").json() == {"name": "far", "isRegistered": True, "priority": 20, "instance": None}
    assert [i["name"] for i in api.get("controllers?instances=true").json()] == ["red", "rsync"]
    for query in ("", "?instances=false"):
        assert [c["metadata"]["name"] for c in api.get(f"controllers{query}").json()] == ["far", "red"]
    refused = api.get("controllers?instances=maybe")
    assert refused.status_code == 400 and '"instances" must be true or false, got "maybe"' in refused.text


def test_the_synchroniser_has_two_roles_and_is_well(make_daemon):
    daemon = make_daemon(controllers={"rsync": RSYNC})
    api = daemon.start().client()
    instance = api.get("controllers/rsync/status").json()["instance"]
    assert instance["roles"] == ["synchroniser", "clusterListener"] and instance["health"] == "ok"
