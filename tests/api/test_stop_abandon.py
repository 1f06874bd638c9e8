"""Work that cannot be done: it is stopped, or the cluster is given up, and what stays behind is said."""
import shutil

import pytest

from conftest import wait_for
from emco import Scene, named, profile, simple_chart


def clusters(scene):
    """{cluster: what status says of the first app there}"""
    return {c["cluster"]: c for c in scene.status()["apps"][0]["clusters"]}


def states(scene):
    return [action["state"] for action in scene.status()["states"]["actions"]]


@pytest.fixture
def scene(api, unique, remote):
    """One app on two clusters."""
    scene = Scene(api, unique).clusters({"one": remote("one"), "two": remote("two")}).cloud()
    return scene.apps({"web": simple_chart("web")}).deployment({"web": scene.by_name("one", "two")})


def lose(scene, cluster):
    """The cluster's repository is gone; what brings it back."""
    path = scene.remotes[cluster].path
    away = path.with_suffix(".away")
    shutil.move(path, away)
    return lambda: shutil.move(away, path)


def refused(answer, *words):
    assert answer.status_code == 409, answer.text
    assert all(word in answer.text for word in words), answer.text


def abandon(scene, cluster, query=""):
    return scene.api.post(f"cluster-providers/{scene.provider}/clusters/{cluster}/abandon{query}")


def test_what_is_not_done_is_set_aside_until_the_next_operation(scene, api):
    come_back = lose(scene, "two")
    scene.instantiate(wait=False)
    wait_for(lambda: clusters(scene)["two"].get("attempts", 0) >= 1, what="a failed attempt")
    assert api.post(f"{scene.dig}/stop").status_code == 202
    assert scene.status()["deployedStatus"] == "InstantiateFailed", "nobody goes on"
    assert states(scene)[-1] == "InstantiateStopped"
    refused(api.post(f"{scene.dig}/stop"), "has been stopped already")
    refused(api.post(f"{scene.dig}/instantiate"), "stopped")

    come_back()
    tried = clusters(scene)["two"]["attempts"]
    wait_for(lambda: scene.remotes["one"].objects(f"{scene.provider}+one"), what="the cluster that answers")
    assert clusters(scene)["two"]["attempts"] == tried and not scene.remotes["two"].objects(f"{scene.provider}+two")

    assert api.post(f"{scene.dig}/update").status_code == 202
    scene.wait("Instantiated")
    assert scene.remotes["two"].objects(f"{scene.provider}+two")
    refused(api.post(f"{scene.dig}/stop"), "is Instantiated", "nothing to stop")


def test_a_termination_that_was_stopped_goes_on_when_it_is_asked_for_again(scene, api):
    refused(api.post(f"{scene.dig}/stop"), "is not instantiated")
    scene.instantiate()
    come_back = lose(scene, "two")
    assert api.post(f"{scene.dig}/terminate").status_code == 202
    wait_for(lambda: clusters(scene)["two"].get("attempts", 0) >= 1, what="a failed attempt")
    assert api.post(f"{scene.dig}/stop").status_code == 202
    assert scene.status()["deployedStatus"] == "TerminateFailed" and states(scene)[-1] == "TerminateStopped"
    refused(api.delete(scene.dig), "still on cluster", "two")
    come_back()
    assert api.post(f"{scene.dig}/terminate").status_code == 202
    scene.wait("Terminated")
    assert not scene.remotes["two"].objects(f"{scene.provider}+two")


def test_a_cluster_that_is_gone_is_given_up_and_what_stays_behind_is_named(scene, api):
    scene.instantiate()
    refused(abandon(scene, "two"), "not known to be gone")
    lose(scene, "two")
    assert api.post(f"{scene.dig}/terminate").status_code == 202
    wait_for(lambda: clusters(scene)["two"].get("connectivity") == "Retrying", what="the loss to be seen")
    assert scene.status()["deployedStatus"] == "Terminating"

    answer = abandon(scene, "two")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"cluster": f"{scene.provider}+two", "leftBehind": [
        {"owner": scene.dig, "app": "web", "wanted": False, "objects": ["r1-web+ConfigMap", "r1-web+Deployment"]}]}
    scene.wait("Terminated")
    assert not scene.remotes["one"].objects(f"{scene.provider}+one")
    assert abandon(scene, "two").json()["leftBehind"] == []
    assert abandon(scene, "three").status_code == 404
    assert abandon(scene, "two", "?force=perhaps").status_code == 400
    for path in (f"{scene.dig}/intents/all", f"{scene.dig}/generic-placement-intents/gpi/app-intents/web",
                 f"{scene.dig}/generic-placement-intents/gpi", scene.dig):
        answer = api.delete(path)
        assert answer.status_code == 204, answer.text


def test_what_is_still_wanted_begins_from_nothing_on_the_cluster_that_takes_the_place(scene, api, remote):
    scene.instantiate()
    lose(scene, "two")
    scene.profile("web", profile("replicas: 3\n"))
    assert api.post(f"{scene.dig}/update").status_code == 202
    wait_for(lambda: clusters(scene)["two"].get("connectivity") == "Retrying", what="the loss to be seen")
    answer = abandon(scene, "two")
    assert answer.status_code == 200 and [(left["wanted"], left["objects"]) for left in answer.json()["leftBehind"]] == \
        [(True, ["r1-web+ConfigMap", "r1-web+Deployment"])]
    assert scene.status()["deployedStatus"] == "Instantiating"
    fresh = type(scene.remotes["two"]).create(scene.remotes["two"].path)
    scene.wait("Instantiated")
    assert fresh.objects(f"{scene.provider}+two")["r1-web+Deployment.yaml"]["spec"]["replicas"] == 3


def test_an_answering_cluster_is_given_up_only_by_force(scene):
    scene.instantiate()
    answer = abandon(scene, "one", "?force=true")
    assert answer.status_code == 200 and len(answer.json()["leftBehind"]) == 1
    scene.wait("Instantiated")


def by_label(api, unique, remote):
    """One app on what has a label, so that no document names the cluster."""
    scene = Scene(api, unique).clusters({"one": remote("one"), "two": remote("two")}, {"one": ["edge"], "two": ["edge"]}).cloud()
    scene.apps({"web": simple_chart("web")}).deployment({"web": scene.by_label("edge")})
    return scene


def let_go(scene, cluster):
    """Of everything that refers to it."""
    provider = f"cluster-providers/{scene.provider}/clusters/{cluster}"
    for path in (f"projects/{scene.project}/logical-clouds/lc/cluster-references/{cluster}", f"{provider}/labels/edge"):
        assert scene.api.delete(path).status_code == 204, path
    return provider


def test_a_cluster_stays_known_until_nothing_is_on_it(api, unique, remote):
    scene = by_label(api, unique, remote)
    scene.instantiate()
    path = let_go(scene, "two")
    refused(api.delete(path), f'cluster "two" still has app "web" of "{scene.dig}"', "abandon it first")
    come_back = lose(scene, "two")
    assert api.post(f"{scene.dig}/update").status_code == 202
    assert clusters(scene).keys() == {"one"}
    refused(api.delete(path), "still has app")
    wait_for(lambda: abandon(scene, "two").status_code == 200, what="the cluster to be known as gone")
    assert api.delete(path).status_code == 204
    come_back()
    api.make(f"{scene.dig}/terminate")
    scene.wait("Terminated")


def test_going_back_to_a_cluster_that_left_the_cloud_is_refused(api, unique, remote):
    scene = by_label(api, unique, remote)
    scene.instantiate()
    path = let_go(scene, "two")
    assert api.post(f"{scene.dig}/update").status_code == 202
    scene.wait("Instantiated")
    refused(api.post(f"{scene.dig}/rollback", {"spec": {"revision": 1}}),
            f'app "web" would run on cluster "{scene.provider}+two", which is not in logical cloud "lc" any more')
    wait_for(lambda: api.delete(path).status_code == 204, what="the cluster that was left to be empty")


def test_a_verb_is_for_the_version_that_its_client_has_seen(scene, api):
    tag = api.get(scene.dig).headers["ETag"]
    for condition in ('"0-0"', f'W/{tag}'):
        answer = api.post(f"{scene.dig}/instantiate", headers={"If-Match": condition})
        assert answer.status_code == 412 and f"is at {tag}, which If-Match does not name" in answer.text, answer.text
        assert ("and not weak" in answer.text) == condition.startswith("W/")
    assert states(scene)[-1] == "Approved"
    assert api.post(f"{scene.dig}/instantiate", headers={"If-Match": f'"0-0", {tag}'}).status_code == 202


def leaving(scene, query="status=deployed"):
    status = scene.api.get(f"{scene.dig}/status?{query}").json()
    return [(left["app"], left["cluster"], left["connectivity"], "no Git repository" in left.get("error", "")) for left in status.get("leaving", [])]


def test_what_an_update_cannot_take_away_is_named_until_it_is_gone(scene, api):
    scene.instantiate()
    first = scene.status()["states"]["actions"][-1]["instance"]
    come_back = lose(scene, "two")
    assert api.put(f"{scene.dig}/generic-placement-intents/gpi/app-intents/web",
                   named("web", app="web", intent=scene.by_name("one"))).status_code == 200
    assert api.post(f"{scene.dig}/update").status_code == 202
    scene.wait("Instantiated")
    wait_for(lambda: leaving(scene) == [("web", "two", "Retrying", True)], what="what is leaving, and why it stays")
    for query in ("status=deployed&output=summary", "status=deployed&app=web", f"status=deployed&cluster={scene.provider}%2Btwo"):
        assert leaving(scene, query) == [("web", "two", "Retrying", True)], query
    assert leaving(scene, f"status=deployed&cluster={scene.provider}%2Bone") == []
    assert {c["cluster"] for c in scene.status()["apps"][0]["clusters"]} == {"one"}

    def earlier():
        return api.get(f"{scene.dig}/status?status=deployed&instance={first}").json()["deployedStatus"]
    assert earlier() == "Updating"
    assert api.post(f"{scene.dig}/stop").status_code == 202
    assert (scene.status()["deployedStatus"], earlier()) == ("Instantiated", "UpdatedFailed")
    assert api.post(f"{scene.dig}/terminate").status_code == 202
    wait_for(lambda: not scene.remotes["one"].objects(f"{scene.provider}+one"), what="the end on the cluster that answers")
    assert scene.status()["deployedStatus"] == "Terminating"
    for query in ("status=deployed", "status=deployed&output=summary"):
        assert [left[:2] for left in leaving(scene, query)] == [("web", "two")], query
    come_back()
    scene.wait("Terminated")
    assert leaving(scene) == [] and not scene.remotes["two"].objects(f"{scene.provider}+two")


def test_another_life_is_approved_before_the_last_one_has_ended(scene, api):
    scene.instantiate()
    last = scene.status()["states"]["actions"][-1]["instance"]
    come_back = lose(scene, "two")
    assert api.post(f"{scene.dig}/terminate").status_code == 202
    wait_for(lambda: clusters(scene)["two"].get("attempts", 0) >= 1, what="a failed attempt")
    assert leaving(scene) == [], "of the context that is shown"
    refused(api.delete(scene.dig), "still on cluster", "two", "Wait until its status is Terminated")
    assert api.post(f"{scene.dig}/approve").status_code == 202
    wait_for(lambda: leaving(scene) == [("web", "two", "Retrying", True)], what="the rest of the last life")

    def ended():
        return api.get(f"{scene.dig}/status?status=deployed&instance={last}").json()["deployedStatus"]
    assert ended() == "Terminating"
    refused(api.delete(scene.dig), "still on cluster", "two", "shows nothing as leaving")
    come_back()
    wait_for(lambda: leaving(scene) == [], what="the end of the last life")
    assert ended() == "Terminated"
    scene.instantiate()
    assert scene.remotes["two"].objects(f"{scene.provider}+two")
