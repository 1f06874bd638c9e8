"""The main job over REST: what two applications on Git clusters look like to somebody who clones the repositories."""
import json

import pytest

from conftest import wait_for
from emco import CONFIG_MAP, DEPLOYMENT, Scene, chart, named, profile, simple_chart

SECRET = """apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}-secret
stringData:
  password: hunter2
"""


@pytest.fixture
def scene(api, unique, remote):
    """Two apps on two clusters: web by label on both, db by name on the second."""
    scene = Scene(api, unique)
    scene.clusters({"one": remote("one"), "two": remote("two")}, labels={"one": ["edge"], "two": ["edge"]})
    scene.cloud().apps({"web": simple_chart("web"), "db": simple_chart("db")},
                       {"web": profile("replicas: 2\n"), "db": profile()})
    return scene.deployment({"web": scene.by_label("edge"), "db": scene.by_name("two")},
                            overrides=[{"app": "web", "values": {"text": "over,ridden".replace(",", "\\,")}}])


def cluster(scene, name):
    return f"{scene.provider}+{name}"


def test_two_apps_land_by_label_and_by_name(scene):
    status = scene.instantiate()
    one, two = scene.remotes["one"], scene.remotes["two"]
    context = status["states"]["statusctxid"]

    assert sorted(one.objects(cluster(scene, "one"))) == ["r1-web+ConfigMap.yaml", "r1-web+Deployment.yaml"]
    assert sorted(two.objects(cluster(scene, "two"), "web")) == ["r1-web+ConfigMap.yaml", "r1-web+Deployment.yaml"]
    assert sorted(two.objects(cluster(scene, "two"), "db")) == ["r1-db+ConfigMap.yaml", "r1-db+Deployment.yaml"]
    assert status["deployedCounts"] == {"Applied": 6}
    assert {app["name"]: len(app["clusters"]) for app in status["apps"]} == {"db": 1, "web": 2}

    deployment = one.objects(cluster(scene, "one"), "web")["r1-web+Deployment.yaml"]
    label = {"emco/deployment-id": f"{context}-web"}
    assert deployment["metadata"]["labels"] == label
    assert deployment["metadata"]["namespace"] == "default"
    assert deployment["spec"]["template"]["metadata"]["labels"] == {"app": "web", **label}
    assert deployment["spec"]["replicas"] == 2, "the profile's values"
    assert one.objects(cluster(scene, "one"))["r1-web+ConfigMap.yaml"]["data"]["text"] == "over,ridden"


def test_a_clone_shows_the_flux_objects_that_point_at_the_folder(scene, tmp_path):
    context = scene.instantiate()["states"]["statusctxid"]
    root = scene.remotes["one"].clone(tmp_path / "clone") / "clusters" / cluster(scene, "one")
    source = json.loads((root / f"{context}.yaml").read_text())
    kustomization = json.loads((root / f"kust{context}.yaml").read_text())
    assert (source["apiVersion"], source["kind"]) == ("source.toolkit.fluxcd.io/v1", "GitRepository")
    assert source["spec"]["url"] == str(scene.remotes["one"].path) and source["spec"]["ref"] == {"branch": "main"}
    assert (kustomization["apiVersion"], kustomization["kind"]) == ("kustomize.toolkit.fluxcd.io/v1", "Kustomization")
    assert kustomization["spec"]["path"].strip("./") == f"clusters/{cluster(scene, 'one')}/context/{context}"
    assert kustomization["spec"]["prune"] is True
    assert kustomization["spec"]["sourceRef"] == {"kind": "GitRepository", "name": context}


def test_an_update_commits_only_what_changed_and_an_update_of_nothing_commits_nothing(scene):
    scene.instantiate()
    one, two = scene.remotes["one"], scene.remotes["two"]
    before = one.head(), two.head()

    answer = scene.api.post(f"{scene.dig}/update")
    assert (answer.status_code, answer.text.strip()) == (202, "2")
    scene.wait("Instantiated")
    assert (one.head(), two.head()) == before

    scene.profile("web", profile("replicas: 3\n"))
    answer = scene.api.post(f"{scene.dig}/update")
    assert (answer.status_code, answer.text.strip()) == (202, "3")
    scene.wait("Instantiated")
    for name, old in zip(("one", "two"), before):
        changed = scene.remotes[name].git("diff", "--name-only", old, "main").split()
        assert [path.rsplit("/", 1)[1] for path in changed] == ["r1-web+Deployment.yaml"]
        assert len(scene.remotes[name].git("rev-list", f"{old}..main").split()) == 1
    states = [action["state"] for action in scene.status()["states"]["actions"]]
    assert states == ["Created", "Approved", "Instantiated", "Updated", "Instantiated", "Updated", "Instantiated"]


def test_terminate_removes_the_files_and_a_foreign_commit_survives(scene, tmp_path):
    scene.instantiate()
    one = scene.remotes["one"]
    one.foreign_commit(tmp_path / "foreign")
    foreign = one.head()

    scene.profile("web", profile("replicas: 5\n"))
    assert scene.api.post(f"{scene.dig}/update").status_code == 202
    scene.wait("Instantiated")
    assert foreign in one.commits() and one.files()["README.md"] == "not ours\n"

    assert scene.api.post(f"{scene.dig}/terminate").status_code == 202
    status = scene.wait("Terminated")
    assert one.files() == {"README.md": "not ours\n"}
    assert scene.remotes["two"].files() == {}
    assert set(status["deployedCounts"]) == {"Deleted"}
    assert scene.api.post(f"{scene.dig}/terminate").status_code == 409


def test_a_terminated_deployment_can_be_instantiated_again_and_deleted_at_last(scene):
    scene.instantiate()
    assert scene.api.delete(scene.dig).status_code == 409
    assert scene.api.post(f"{scene.dig}/terminate").status_code == 202
    scene.wait("Terminated")
    scene.instantiate()
    assert scene.remotes["one"].objects(cluster(scene, "one"))
    assert scene.api.post(f"{scene.dig}/terminate").status_code == 202
    scene.wait("Terminated")
    for path in ("intents/all", "generic-placement-intents/gpi/app-intents/web",
                 "generic-placement-intents/gpi/app-intents/db", "generic-placement-intents/gpi", ""):
        answer = scene.api.delete(f"{scene.dig}/{path}".rstrip("/"))
        assert answer.status_code == 204, f"{path}: {answer.text}"
    assert scene.api.get(scene.dig).status_code == 404


def test_clusters_of_one_repository_get_one_commit_for_an_event(api, unique, remote):
    shared = remote("shared")
    scene = Scene(api, unique).clusters({"one": shared, "two": shared})
    scene.cloud().apps({"web": simple_chart("web"), "db": simple_chart("db")})
    scene.deployment({"web": scene.by_name("one", "two"), "db": scene.by_name("one", "two")})
    scene.instantiate()
    assert len(shared.commits()) == 1
    assert len(shared.objects(cluster(scene, "one"))) == len(shared.objects(cluster(scene, "two"))) == 4
    assert scene.api.post(f"{scene.dig}/terminate").status_code == 202
    scene.wait("Terminated")
    assert len(shared.commits()) == 2 and shared.files() == {}


def test_secrets_for_a_git_target_are_refused_unless_the_sync_object_allows_them(api, unique, remote):
    content = chart("app", {"s.yaml": SECRET, "m.yaml": CONFIG_MAP % {"name": "app"}})
    scene = Scene(api, unique).clusters({"one": remote("one")}).cloud().apps({"app": content})
    scene.deployment({"app": scene.by_name("one")}).instantiate(wait=False)
    told = wait_for(lambda: scene.status()["apps"][0]["clusters"][0].get("error"), 30, "an error in the status")
    assert "r1-secret" in told and "plainSecrets" in told
    assert scene.remotes["one"].commits() == []

    answer = api.put(f"cluster-providers/{scene.provider}/cluster-sync-objects/git-one",
                     named("git-one", kv=[{"url": str(scene.remotes["one"].path)}, {"branch": "main"},
                                          {"plainSecrets": "true"}]))
    assert answer.status_code in (200, 201), answer.text
    assert scene.api.post(f"{scene.dig}/update").status_code == 202
    scene.wait("Instantiated")
    assert "r1-secret+Secret.yaml" in scene.remotes["one"].objects(cluster(scene, "one"))


def test_a_rendered_secret_is_sealed_in_the_database(daemon, api, unique, remote):
    content = chart("app", {"s.yaml": SECRET.replace("hunter2", unique)})
    scene = Scene(api, unique).clusters({"one": remote("one")}, extra=[{"plainSecrets": "true"}, {"gitToken": "t" + unique}])
    scene.cloud().apps({"app": content}).deployment({"app": scene.by_name("one")}).instantiate()
    token = ("t" + unique).encode()
    for table, column in (("manifest", "body"), ("resource", "doc"), ("cache", "value")):
        for (stored,) in daemon.sql(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"):
            stored = bytes(stored) if not isinstance(stored, str) else stored.encode()
            assert token not in stored, f"{table}.{column} holds the token in clear"
            if table != "resource":
                assert b'"password":"' + unique.encode() not in stored, f"{table}.{column} holds the secret in clear"
    assert unique not in daemon.log.read_text(errors="replace").replace(scene.provider, "").replace(scene.project, "")


def test_an_unreachable_remote_is_retried_and_the_status_says_why(daemon, api, unique, remote, tmp_path):
    missing = tmp_path / "later.git"
    scene = Scene(api, unique).clusters({"one": remote("one")}, url=str(missing)).cloud()
    scene.apps({"web": simple_chart("web")}).deployment({"web": scene.by_name("one")}).instantiate(wait=False)

    def retried():
        found = scene.status()["apps"][0]["clusters"][0]
        return found if found.get("attempts", 0) >= 2 else None
    found = wait_for(retried, 30, "a second attempt")
    assert found["connectivity"] == "Retrying" and str(missing) in found["error"]
    assert scene.status()["deployedStatus"] == "Instantiating"

    late = type(scene.remotes["one"]).create(missing)
    scene.wait("Instantiated")
    assert "r1-web+Deployment.yaml" in late.objects(cluster(scene, "one"))


def test_a_sync_object_that_is_corrected_is_used_at_once(api, unique, remote):
    """Nothing waits for the pause of what somebody must mend, which is minutes."""
    scene = Scene(api, unique).clusters({"one": remote("one")}, url="https://nobody:nothing@127.0.0.1:1/x.git").cloud()
    scene.apps({"web": simple_chart("web")}).deployment({"web": scene.by_name("one")}).instantiate(wait=False)
    wait_for(lambda: scene.status()["apps"][0]["clusters"][0].get("error"), 30, "the first failure")
    body = named("git-one", kv=[{"url": str(scene.remotes["one"].path)}, {"branch": "main"}])
    assert api.put(f"cluster-providers/{scene.provider}/cluster-sync-objects/git-one", body).status_code in (200, 201)
    scene.wait("Instantiated")


def test_helm_order_is_kept_and_status_lists_objects_in_full_detail(scene):
    scene.instantiate()
    detail = scene.status("status=deployed&output=detail&app=web")
    resources = detail["apps"][0]["clusters"][0]["resources"]
    assert [(r["GVK"]["Kind"], r["deployedStatus"]) for r in resources] == [("ConfigMap", "Applied"), ("Deployment", "Applied")]
    assert resources[1]["detail"]["spec"]["replicas"] == 2
    assert "apps" not in scene.status("status=deployed&output=summary")
    assert scene.status("apps")["apps"] == ["db", "web"]
    assert scene.api.get(f"{scene.dig}/status?status=wrong").status_code == 400
    for query in ("type=rsync", "status=ready", "output=all", "app=web", "apps", "clusters", "resources", "resource=r1-web"):
        assert scene.api.get(f"{scene.dig}/status?{query}").headers.get("Warning") is None, query
    assert "unknown parameter outputs" in scene.api.get(f"{scene.dig}/status?outputs=all").headers["Warning"]
    cloud = f"projects/{scene.project}/logical-clouds/lc/status"
    assert scene.api.get(f"{cloud}?output=all").headers.get("Warning") is None
    assert "unknown parameter app" in scene.api.get(f"{cloud}?app=web").headers["Warning"]
    assert DEPLOYMENT  # the chart that the detail is of
