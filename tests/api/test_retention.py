"""What is kept of a deployment's past: a bounded number of revisions, and the list of all that happened."""
import threading

import pytest

from conftest import Daemon, wait_for
from emco import Scene, named, profile, simple_chart

REVISIONS, UPDATES, TURNS = 3, 12, 5
COLLECTED_S = 150                  # the keeper looks once a minute

UNNEEDED = """SELECT (SELECT count(*) FROM resource_set s WHERE NOT EXISTS (SELECT FROM app_context_cluster p WHERE p.set = s.digest)
    AND NOT EXISTS (SELECT FROM unit u WHERE s.digest IN (u.set, u.applied) OR s.digest = ANY (u.tried))),
  (SELECT count(*) FROM manifest m WHERE NOT EXISTS (SELECT FROM resource_set s WHERE m.digest = ANY (s.manifests))),
  (SELECT count(*) FROM app_context_cluster p WHERE NOT EXISTS (SELECT FROM app_context c WHERE c.id = p.context))"""
MISSING = """SELECT (SELECT count(*) FROM app_context_cluster p WHERE NOT EXISTS (SELECT FROM resource_set s WHERE s.digest = p.set)),
  (SELECT count(*) FROM resource_set s, unnest(s.manifests) AS d WHERE NOT EXISTS (SELECT FROM manifest m WHERE m.digest = d)),
  (SELECT count(*) FROM app_context c WHERE NOT EXISTS (SELECT FROM app_context_cluster p WHERE p.context = c.id))"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, postgres, helm):
    server = Daemon(tmp_path_factory.mktemp("emcod"), postgres, helm, {"revisions": REVISIONS}).start()
    yield server
    status = server.stop()
    assert status == 0, f"emcod stopped with {status}: {server.tail(60)}"


class Past:
    """A deployment with one app, updated again and again; files by revision."""

    def __init__(self, daemon, api, name, remote, updates=UPDATES):
        self.daemon, self.api, self.remote = daemon, api, remote
        self.scene = Scene(api, name).clusters({"one": remote}).cloud().apps({"web": simple_chart("web")})
        self.scene.deployment({"web": self.scene.by_name("one")})
        self.scene.instantiate()
        self.files = {1: remote.files()}
        for replicas in range(2, updates + 2):
            self.scene.profile("web", profile(f"replicas: {replicas}\n"))
            self.api.make(f"{self.scene.dig}/update")
            self.scene.wait("Instantiated")
            self.files[replicas] = remote.files()

    def contexts(self):
        return self.daemon.count("app_context", f"owner = (SELECT id FROM resource WHERE path = '{self.scene.dig}')")

    def rollback(self, revision):
        return self.api.post(f"{self.scene.dig}/rollback", {"metadata": {"name": ""}, "spec": {"revision": revision}})

    def instances(self):
        return {action["revision"]: action["instance"] for action in self.scene.status()["states"]["actions"]
                if action["state"] == "Instantiated"}


def test_so_many_revisions_are_kept_and_the_rest_is_told(daemon, api, unique, remote):
    past = Past(daemon, api, unique, remote("one"))
    newest = UPDATES + 1
    kept = range(newest - REVISIONS + 1, newest + 1)
    assert past.contexts() == REVISIONS
    instances = past.instances()
    assert len(set(instances.values())) == newest, "the list of actions is whole"
    for revision, instance in instances.items():
        answer = api.get(f"{past.scene.dig}/status?status=deployed&instance={instance}")
        assert answer.status_code == (200 if revision in kept else 404), (revision, answer.text)
        if revision not in kept:
            assert f"what instance {instance}" in answer.text and f"the last {REVISIONS} that differ are" in answer.text
    answer = api.get(f"{past.scene.dig}/status?instance=4711")
    assert answer.status_code == 400 and "got 4711" in answer.text

    for revision in set(instances) - set(kept):
        answer = past.rollback(revision)
        assert answer.status_code == 409, answer.text
        assert f"does not keep revision {revision} any more; there is {', '.join(map(str, kept))}" in answer.text

    wait_for(lambda: daemon.sql(UNNEEDED) == [(0, 0, 0)], COLLECTED_S, "nothing to be left that only older revisions needed")
    assert daemon.sql(MISSING) == [(0, 0, 0)]
    assert past.rollback(kept[0]).status_code == 202
    past.scene.wait("Instantiated")
    assert past.remote.files() == past.files[kept[0]]

    # Back and forth makes revisions, but nothing else goes for them.
    for revision in [*kept] * 2:
        assert past.rollback(revision).status_code == 202
        past.scene.wait("Instantiated")
        assert past.remote.files() == past.files[revision]
    assert past.contexts() == REVISIONS


def test_what_says_the_same_is_the_same_again(daemon, api, unique, remote):
    """Updates that change nothing make revisions, but push nothing out of those that one may want to go back to."""
    past = Past(daemon, api, unique, remote("one"), updates=1)
    for _ in range(2 * REVISIONS):
        api.make(f"{past.scene.dig}/update")
    instances = past.instances()
    assert len(instances) == 2 + 2 * REVISIONS and len(set(instances.values())) == 2
    assert past.contexts() == 2
    past.scene.profile("web", profile("replicas: 7\n"))
    api.make(f"{past.scene.dig}/update")
    past.scene.wait("Instantiated")
    assert past.instances()[max(instances) + 1] not in instances.values()
    assert past.rollback(2).status_code == 202 and past.rollback(1).status_code == 202
    past.scene.wait("Instantiated")
    assert past.remote.files() == past.files[1]

    # By an update, too, one gets back to what was there.
    past.scene.profile("web", profile("replicas: 2\n"))
    api.make(f"{past.scene.dig}/update")
    past.scene.wait("Instantiated")
    last = past.instances()
    assert last[max(last)] == instances[2] and past.contexts() == 3
    assert past.remote.files() == past.files[2]


def test_another_life_counts_too_and_what_has_ended_can_still_be_looked_at(daemon, api, unique, remote):
    past = Past(daemon, api, unique, remote("one"))
    api.make(f"{past.scene.dig}/terminate")
    past.scene.wait("Terminated")
    assert past.scene.status()["apps"][0]["name"] == "web"
    ended = past.instances()[max(past.instances())]
    before = api.get(f"{past.scene.dig}/status?status=deployed&instance={ended}").json()
    assert before["deployedStatus"] == "Terminated" and set(before["deployedCounts"]) == {"Deleted"}
    past.scene.instantiate()
    there = api.get(f"{past.scene.dig}/status?status=deployed&instance={ended}").json()
    assert (there["deployedStatus"], there["deployedCounts"]) == ("Terminated", before["deployedCounts"]), "another life says nothing of it"
    assert api.get(f"{past.scene.dig}/status?status=deployed").json()["deployedCounts"].keys() == {"Applied"}
    api.make(f"{past.scene.dig}/terminate")
    past.scene.wait("Terminated")
    for _ in range(REVISIONS):
        past.scene.instantiate()
        api.make(f"{past.scene.dig}/terminate")
        past.scene.wait("Terminated")
    assert past.contexts() == REVISIONS


def test_a_migration_takes_the_past_no_further_than_that(daemon, api, unique, remote):
    """The target's own revisions count from there; the source keeps what it had."""
    past = Past(daemon, api, unique, remote("one"))
    scene = past.scene
    answer = api.post(f"{scene.version}/deployment-intent-groups", {**api.get(scene.dig).json(), "metadata": {"name": "next"}})
    assert answer.status_code == 201, answer.text
    target = f"{scene.version}/deployment-intent-groups/next"
    api.make(f"{target}/generic-placement-intents", named("gpi"))
    api.make(f"{target}/generic-placement-intents/gpi/app-intents", named("web", app="web", intent=scene.by_name("one")))
    api.make(f"{target}/intents", named("all", intent={"genericPlacementIntent": "gpi"}))
    api.make(f"{target}/approve")
    head = past.remote.head()
    answer = api.post(f"{scene.dig}/migrate", {"metadata": {"name": ""}, "spec": {
        "targetCompositeAppVersion": "v1", "targetDeploymentIntentGroup": "next"}})
    assert answer.status_code == 202, answer.text
    left = scene.dig
    for mode in ("status=ready", "status=deployed", "type=cluster", "type=rsync"):
        whole = api.get(f"{left}/status?{mode}").json()
        summary = api.get(f"{left}/status?{mode}&output=summary").json()
        assert summary == {key: value for key, value in whole.items() if key != "apps"}, mode
    scene.dig = target
    scene.wait("Instantiated")
    assert past.remote.head() == head, "what is there already is not sent again"
    assert past.contexts() == 1
    for turn in range(UPDATES):
        scene.profile("web", profile(f"replicas: {100 + turn}\n"))
        api.make(f"{target}/update")
    scene.wait("Instantiated")
    assert past.contexts() == REVISIONS
    api.make(f"{target}/terminate")
    scene.wait("Terminated")
    assert not [path for path in past.remote.files() if "web" in path]


def test_several_processes_keep_as_much_as_one(daemon, api, unique, remote, tmp_path, postgres, helm):
    """Both update the same deployment, each as soon as it may; then one goes back, and the other knows of it."""
    past = Past(daemon, api, unique, remote("one"))
    other = Daemon(tmp_path, postgres, helm, {"revisions": REVISIONS, "seal_key_file": str(daemon.key)}, database=daemon.database).start()
    try:
        done, lock = [], threading.Lock()

        def update(client, number):
            for turn in range(TURNS):
                with lock:
                    past.scene.profile("web", profile(f"replicas: {100 * number + turn}\n"))
                wait_for(lambda: is_updated(client), 60, "the other's update to end")

        def is_updated(client):
            answer = client.post(f"{past.scene.dig}/update")
            if answer.status_code == 202:
                done.append(int(answer.text))
            return answer.status_code != 409
        threads = [threading.Thread(target=update, args=(client, number)) for number, client in enumerate((daemon.client(), other.client()), 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        past.scene.wait("Instantiated")
        assert sorted(done) == list(range(UPDATES + 2, UPDATES + 2 + 2 * TURNS)), "each made one revision, and none made two"
        assert past.contexts() == REVISIONS and daemon.sql(MISSING) == [(0, 0, 0)]
        instances = past.instances()
        kept = list(dict.fromkeys(instances[revision] for revision in sorted(instances, reverse=True)))[:REVISIONS]
        oldest = min(revision for revision, instance in instances.items() if instance in kept)
        assert other.client().post(f"{past.scene.dig}/rollback", {"metadata": {"name": ""}, "spec": {"revision": oldest}}).status_code == 202
        past.scene.wait("Instantiated")
        answer = past.rollback(oldest - 1)
        assert answer.status_code == 409 and f"does not keep revision {oldest - 1} any more" in answer.text, answer.text
    finally:
        assert other.stop() == 0, other.tail(60)
