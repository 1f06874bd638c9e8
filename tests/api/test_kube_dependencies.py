"""Apps that wait for others: on a real API server, and behind Git."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kube"))

from conftest import wait_for  # noqa: E402
from emco import KubeScene, Scene, chart, named, simple_chart  # noqa: E402
from kube import KubeClient, KubeCluster  # noqa: E402

NAME = f"emcod-waits-{os.getpid()}"

DB = chart("db", {"deployment.yaml": """apiVersion: apps/v1
kind: Deployment
metadata: {name: db}
spec:
  replicas: 1
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: main, image: "postgres:17"}]
"""})
WEB = chart("web", {"map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: b}\n"})


@pytest.fixture(scope="module")
def kubeconfig():
    with KubeCluster(NAME) as cluster:
        yield pathlib.Path(cluster.kubeconfig)


def depend(scene, **spec):
    scene.api.make(f"{scene.version}/apps/web/dependency", named("on-db", app="db", **spec))


def places(scene, app):
    return [place for at in scene.status()["apps"] if at["name"] == app for place in at["clusters"]]


def test_an_app_waits_until_the_pods_of_another_are_ready(api, unique, kubeconfig):
    kube = KubeClient(kubeconfig)
    scene = KubeScene(api, unique).onboard({"one": kubeconfig.read_bytes()})
    scene.cloud().apps({"web": WEB, "db": DB})
    depend(scene, opStatus="READY")
    scene.deployment({"web": scene.by_name("one"), "db": scene.by_name("one")})
    scene.instantiate(wait=False)
    wait_for(lambda: places(scene, "db")[0]["resources"][0]["deployedStatus"] == "Applied" or None, what="the database")
    place = wait_for(lambda: next((p for p in places(scene, "web") if "error" in p), None), what="the reason")
    assert place["blockedBy"] == [{"app": "db", "opStatus": "ready"}]
    assert place["error"].startswith('waits until app "db" is ready')
    assert place["resources"][0]["deployedStatus"] == "Pending"
    assert scene.status()["deployedStatus"] == "Instantiating"
    assert kube.get("v1/ConfigMap", "web") is None

    kube.make_node("node-" + scene.name)
    kube.make_pods_ready("default", "app=db", count=1)
    scene.wait("Instantiated")
    assert kube.get("v1/ConfigMap", "web")["data"] == {"a": "b"}
    assert "blockedBy" not in places(scene, "web")[0] and "error" not in places(scene, "web")[0]

    api.make(f"{scene.dig}/terminate")                    # which waits for nobody
    scene.wait("Terminated")
    kube.close()


def test_behind_git_an_app_may_wait_until_another_is_deployed_and_some_seconds(api, unique, remote):
    bare = remote("one")
    scene = Scene(api, unique).clusters({"one": bare}).cloud()
    scene.apps({"web": simple_chart("web"), "db": simple_chart("db")})
    depend(scene, opStatus="Deployed", wait=2)
    scene.deployment({"web": scene.by_name("one"), "db": scene.by_name("one")})
    scene.instantiate()
    commits = list(reversed(bare.git("log", "--format=%ct %s").splitlines()))
    assert len(commits) >= 2, "one commit for each, as the second had to wait"
    assert int(commits[-1].split()[0]) - int(commits[-2].split()[0]) >= 1, commits
    head = scene.api.post(f"{scene.dig}/update")
    assert head.status_code == 202
    scene.wait("Instantiated")


def test_behind_git_nobody_tells_readiness_and_the_status_says_so(api, unique, remote):
    scene = Scene(api, unique).clusters({"one": remote("one")}).cloud()
    scene.apps({"web": simple_chart("web"), "db": simple_chart("db")})
    depend(scene, opStatus="Ready")
    scene.deployment({"web": scene.by_name("one"), "db": scene.by_name("one")})
    scene.instantiate(wait=False)
    place = wait_for(lambda: next((p for p in places(scene, "web") if "Git" in p.get("error", "")), None), what="the reason")
    assert "nobody sees 1 of its clusters" in place["error"] and place["blockedBy"] == [{"app": "db", "opStatus": "ready"}]
    assert scene.status()["deployedStatus"] == "Instantiating"
    api.make(f"{scene.dig}/terminate")
    scene.wait("Terminated")


def test_a_wait_that_takes_too_long_has_failed_and_an_update_begins_anew(make_daemon, unique, remote):
    server = make_daemon(options={"dependency_timeout_ms": 3000}).start()
    scene = Scene(server.client(), unique).clusters({"one": remote("one")}).cloud()
    scene.apps({"web": simple_chart("web"), "db": simple_chart("db")})
    depend(scene, opStatus="Ready")
    scene.deployment({"web": scene.by_name("one"), "db": scene.by_name("one")})
    scene.instantiate(wait=False)
    assert scene.status()["deployedStatus"] == "Instantiating"
    scene.wait("InstantiateFailed")
    assert places(scene, "web")[0]["error"].startswith('waits until app "db" is ready')
    server.client().make(f"{scene.dig}/update")
    scene.wait("Instantiating")
    scene.wait("InstantiateFailed")
    server.client().make(f"{scene.dig}/terminate")
    scene.wait("Terminated")
