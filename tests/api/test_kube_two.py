"""Two real API servers under one deployment: what lands where, what an update touches, what becomes ready, and a dead one."""
import base64
import collections
import pathlib
import subprocess
import sys
import time

import pytest
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kube"))

from conftest import wait_for  # noqa: E402
from emco import JOB, LIST, KubeScene, chart, definition, profile  # noqa: E402
from kube import Kubelet, clusters_up  # noqa: E402

LABEL = "emco/deployment-id"
CRD = ("apiextensions.k8s.io/v1/CustomResourceDefinition", "lamps.two.test")
USER = "emcod-two"                            # the audit log tells its requests from everybody else's

WEB = {
    "deployment.yaml": """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: {{ .Values.replicas | default 1 }}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: "nginx:1.27"}]
""",
    "service.yaml": """apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80}, {name: dns, port: 80, protocol: UDP}]
""",
    "map.yaml": """apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {text: {{ .Values.text | default "hello" | quote }}}
""",
    "secret.yaml": """apiVersion: v1
kind: Secret
metadata: {name: web}
data: {user: cm9vdA==}
stringData: {password: hunter2}
""",
    "more.yaml": """{{- if .Values.more }}
apiVersion: v1
kind: ConfigMap
metadata: {name: web-more}
data: {text: more}
{{- else }}
apiVersion: v1
kind: ServiceAccount
metadata: {name: web-less}
{{- end }}
""",
}
DB = {
    "crd.yaml": definition("Lamp", "two.test"),
    "lamp.yaml": "apiVersion: two.test/v1\nkind: Lamp\nmetadata: {name: db}\nspec: {watts: 1}\n",
    "job.yaml": JOB,
    "list.yaml": LIST,
}


@pytest.fixture(scope="module")
def clusters():
    with clusters_up("emcod-two", "one", "two") as made:
        yield made


@pytest.fixture
def scene(api, unique, clusters):
    """The web app by label, so on both; the db app by name, on "one"."""
    scene = KubeScene(api, unique)
    scene.onboard({name: pathlib.Path(cluster.user(USER)).read_bytes() for name, cluster in clusters.items()})
    scene.cloud().apps({"web": chart("web", WEB), "db": chart("db", DB)}, {"web": profile("replicas: 2\n"), "db": profile()})
    scene.deployment({"web": scene.by_label("edge"), "db": scene.by_name("one")})
    yield scene
    for cluster in clusters.values():
        cluster.up()
    if scene.status().get("deployedStatus") not in (None, "Terminated"):
        api.post(f"{scene.dig}/terminate")
        scene.wait("Terminated")
    for cluster in clusters.values():
        cluster.delete(*CRD)


def rendered(helm, folder, name, templates, values=""):
    """What Helm makes of the chart, as a cluster shows it: {(kind, name): object}, Lists taken apart, texts encoded."""
    for path, text in {"Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: 0.1.0\n", "values.yaml": values or "{}\n",
                       **{f"templates/{path}": text for path, text in templates.items()}}.items():
        (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / name / path).write_text(text)
    text = subprocess.run([helm, "template", "r1", folder / name], stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout
    found = {}
    for document in filter(None, yaml.safe_load_all(text)):
        for item in document["items"] if document["kind"] == "List" else [document]:
            plain = item.pop("stringData", {})
            if plain:
                item["data"] = {**item.get("data", {}),
                                **{key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}}
            found[f"{item['apiVersion']}/{item['kind']}", item["metadata"]["name"]] = item
    return found


def contains(there, wanted):
    """Is all of wanted there?  Clusters add defaults, they take nothing away."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(key in there and contains(there[key], value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(there, list) and len(there) == len(wanted) and all(map(contains, there, wanted))
    return there == wanted


def brought(cluster, label):
    """{(kind, name): object} with the label, without what the cluster's own controllers have made of them."""
    return {(f"{item['apiVersion']}/{item['kind']}", item["metadata"]["name"]): item
            for item in cluster.labelled(f"{LABEL}={label}" if label else LABEL)
            if "ownerReferences" not in item["metadata"] and item["kind"] != "Endpoints"}


def versions(cluster, label=None):
    return {key: item["metadata"]["resourceVersion"] for key, item in brought(cluster, label).items()}


def settled(clusters):
    """The versions of everything, once the clusters' own controllers have seen it all: they write states."""
    before = {}

    def is_still():
        nonlocal before
        now = {name: versions(cluster) for name, cluster in clusters.items()}
        still, before = now == before and all(is_seen(cluster) for cluster in clusters.values()), now
        return still
    wait_for(is_still, what="the clusters to come to rest")
    return before


def is_seen(cluster):
    deployments = cluster.list("apps/v1/Deployment", "default", LABEL)
    return all(d.get("status", {}).get("observedGeneration") == d["metadata"]["generation"] and
               d["status"].get("updatedReplicas") == d["spec"]["replicas"] for d in deployments)


def places(status):
    """{(app, cluster): what the status says of it}."""
    return {(app["name"], c["cluster"]): c for app in status.get("apps", []) for c in app["clusters"]}


def readiness(place):
    """The kinds that EMCO's status tracks have one, the others are there or not."""
    return [r["readyStatus"] for r in place["resources"] if "readyStatus" in r]


def test_what_was_rendered_is_on_the_clusters_with_its_label_and_nothing_else(scene, clusters, helm, tmp_path):
    context = scene.instantiate()["states"]["statusctxid"]
    wanted = {"web": rendered(helm, tmp_path, "web", WEB, "replicas: 2\n"), "db": rendered(helm, tmp_path, "db", DB)}
    assert len(wanted["web"]) == 5 and len(wanted["db"]) == 5

    for cluster, apps in {"one": ["db", "web"], "two": ["web"]}.items():
        assert {i["metadata"]["labels"][LABEL] for i in brought(clusters[cluster], None).values()} == {f"{context}-{a}" for a in apps}
        for app in apps:
            there = brought(clusters[cluster], f"{context}-{app}")
            assert there.keys() == wanted[app].keys()
            for key, item in wanted[app].items():
                assert contains(there[key], item), f"{cluster} {key}: {there[key]}"
    pods = wait_for(lambda: clusters["two"].list("v1/Pod", "default", f"{LABEL}={context}-web"), what="labelled pods")
    assert all(pod["metadata"]["name"].startswith("web-") for pod in pods)

    scene.api.make(f"{scene.dig}/terminate")
    scene.wait("Terminated")
    assert brought(clusters["two"], None) == {}
    assert list(brought(clusters["one"], None)) == [CRD]
    for cluster in clusters.values():
        wait_for(lambda c=cluster: [i for i in c.labelled(LABEL) if i["kind"] != "CustomResourceDefinition"] == [],
                 what="the end of what the clusters had made themselves")


def test_an_update_touches_what_changed_and_one_of_nothing_touches_nothing(scene, clusters):
    scene.instantiate()
    before = settled(clusters)
    sent = {name: len(cluster.requests(USER, ["patch", "delete"])) for name, cluster in clusters.items()}
    assert scene.api.post(f"{scene.dig}/update").status_code == 202
    scene.wait("Instantiated")
    assert settled(clusters) == before
    assert {name: len(cluster.requests(USER, ["patch", "delete"])) for name, cluster in clusters.items()} == sent

    scene.profile("web", profile("replicas: 3\nmore: true\n"))
    assert scene.api.post(f"{scene.dig}/update").status_code == 202
    scene.wait("Instantiated")
    after = settled(clusters)
    gone, come, changed = ("v1/ServiceAccount", "web-less"), ("v1/ConfigMap", "web-more"), ("apps/v1/Deployment", "web")
    for name in clusters:
        assert before[name].keys() - after[name].keys() == {gone}
        assert after[name].keys() - before[name].keys() == {come}
        assert {key for key in before[name].keys() & after[name].keys() if before[name][key] != after[name][key]} == {changed}
        assert clusters[name].get(*changed)["spec"]["replicas"] == 3


def test_a_cluster_becomes_ready_by_itself_and_the_deployment_when_all_are(scene, clusters):
    scene.instantiate()

    def counts_at(cluster):
        found = collections.Counter()
        for (_, name), place in places(scene.status("status=ready")).items():
            found.update(readiness(place) if name == cluster else [])
        return found
    wait_for(lambda: counts_at("one")["NotPresent"] == counts_at("two")["NotPresent"] == 0 and
             counts_at("one")["NotReady"] >= 5 and counts_at("two")["NotReady"] >= 3, what="everything and its pods to be seen")
    status = scene.status("status=ready")
    assert (status["deployedStatus"], status["readyStatus"]) == ("Instantiated", "NotReady")
    reasons = {(r["GVK"]["Kind"], r["name"]): r for r in places(status)["web", "two"]["resources"]}
    assert "0 of 2" in reasons["Deployment", "web"]["message"]

    clusters["one"].make_pods_ready("default", "app=web", count=2)
    clusters["one"].make_pods_ready("default", "job-name=init", phase="Succeeded", ready=False)
    wait_for(lambda: counts_at("one")["NotReady"] == 0, what="readiness of the first")
    assert counts_at("two")["NotReady"] >= 3
    assert scene.status("status=ready")["readyStatus"] == "NotReady"

    with Kubelet(clusters["two"]):
        wait_for(lambda: scene.status("status=ready")["readyStatus"] == "Ready", what="readiness of all")
    assert scene.status("status=ready&output=summary")["readyCounts"] == scene.status("status=ready")["readyCounts"]

    pod = clusters["two"].list("v1/Pod", "default", "app=web")[0]
    clusters["two"].set_pod(pod, ready=False)
    wait_for(lambda: scene.status("status=ready")["readyStatus"] == "NotReady", what="a pod that fails to be seen")
    assert counts_at("one")["NotReady"] == 0


def in_detail(scene):
    """Which of web's objects on each cluster are shown as that has them, all of them {True} or none {False}; and how long it took."""
    began = time.monotonic()
    found = places(scene.status("status=ready&output=detail"))
    known = [{"uid" in r["detail"]["metadata"] for r in found["web", name]["resources"] if "detail" in r} for name in ("one", "two")]
    return *known, time.monotonic() - began


def unready(scene):
    return [(at, place["connectivity"], r) for at, place in places(scene.status("status=ready")).items()
            for r in place["resources"] if r.get("readyStatus") != "Ready"]


def test_a_silent_cluster_hides_nobody_in_a_detail(scene, clusters):
    scene.instantiate()
    wait_for(lambda: in_detail(scene)[:2] == ({True}, {True}), what="both to be read")
    clusters["two"].pause()                    # it says nothing, and nobody knows that yet
    try:
        one, two, seconds = in_detail(scene)
        assert (one, two) == ({True}, {False}) and seconds < 8
    finally:
        clusters["two"].resume()
    wait_for(lambda: in_detail(scene)[:2] == ({True}, {True}), 60, "both to be read again")


def test_a_dead_cluster_is_said_to_be_and_holds_up_nobody(scene, clusters):
    clusters["two"].kill()
    scene.instantiate(wait=False)
    wait_for(lambda: {r["deployedStatus"] for app in ("web", "db") for r in places(scene.status())[app, "one"]["resources"]} ==
             {"Applied"}, what="all on the cluster that lives")
    clusters["one"].make_pods_ready("default", "job-name=init", phase="Succeeded", ready=False)
    with Kubelet(clusters["one"]):
        wait_for(lambda: all(set(readiness(places(scene.status("status=ready"))[app, "one"])) == {"Ready"} for app in ("web", "db")),
                 what="the first to be ready")
    status = scene.status()
    dead = places(status)["web", "two"]
    assert status["deployedStatus"] == "Instantiating"
    assert dead["connectivity"] == "Retrying"
    assert "could not connect" in dead["error"] and "127.0.0.1" in dead["error"], dead
    assert {r["deployedStatus"] for r in dead["resources"]} <= {"Pending", "Retrying"}
    assert scene.status("status=ready")["readyStatus"] == "NotReady"

    scene.profile("web", profile("replicas: 3\n"))
    assert scene.api.post(f"{scene.dig}/update").status_code == 202
    wait_for(lambda: clusters["one"].get("apps/v1/Deployment", "web")["spec"]["replicas"] == 3, what="the update on the first")

    clusters["two"].up()
    scene.wait("Instantiated")
    assert clusters["two"].get("apps/v1/Deployment", "web")["spec"]["replicas"] == 3
    with Kubelet(clusters["one"]), Kubelet(clusters["two"]):
        wait_for(lambda: scene.status("status=ready")["readyStatus"] == "Ready", 60, "readiness of all")

    wait_for(lambda: in_detail(scene)[:2] == ({True}, {True}), what="both to be read")
    clusters["two"].kill()
    one, two, seconds = in_detail(scene)
    assert (one, two) == ({True}, {False}) and seconds < 8
    lost = wait_for(lambda: (lambda s: s if s["readyStatus"] == "NotReady" else None)(scene.status("status=ready")),
                    what="the loss to be seen")
    assert places(lost)["web", "two"]["connectivity"] == "Retrying"
    assert "Ready" not in readiness(places(lost)["web", "two"])
    assert set(readiness(places(lost)["web", "one"])) == {"Ready"}
    one, two, seconds = in_detail(scene)
    assert (one, two) == ({True}, {False}) and seconds < 4, "who is known to be dead is not asked"
    clusters["two"].up()
    wait_for(lambda: scene.status("status=ready")["readyStatus"] == "Ready", 60, lambda: f"readiness of all again: {unready(scene)}")
