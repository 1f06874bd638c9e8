"""The main job on a real API server: what two applications look like to somebody with kubectl, and what status says of them."""
import os
import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kube"))

from conftest import wait_for  # noqa: E402
from emco import JOB, LIST, KubeScene, chart, definition, profile  # noqa: E402
from kube import ApiError, KubeClient, KubeCluster  # noqa: E402

NAME = f"emcod-api-{os.getpid()}"       # suites run side by side

WEB = {
    "deployment.yaml": """apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
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
stringData: {password: hunter2}
""",
}
DB = {
    "crd.yaml": definition("Thing", "emcod.test"),
    "thing.yaml": "apiVersion: emcod.test/v1\nkind: Thing\nmetadata: {name: db}\nspec: {size: 1}\n",
    "job.yaml": JOB,
    "list.yaml": LIST,
}
WEB_OBJECTS = [("apps/v1/Deployment", "web"), ("v1/Service", "web"), ("v1/ConfigMap", "web"), ("v1/Secret", "web")]
DB_OBJECTS = [("emcod.test/v1/Thing", "db"), ("batch/v1/Job", "init"), ("v1/ConfigMap", "db-a"), ("v1/ServiceAccount", "db-b")]


@pytest.fixture(scope="module")
def kubeconfig():
    with KubeCluster(NAME) as cluster:
        yield pathlib.Path(cluster.kubeconfig)


@pytest.fixture
def kube(kubeconfig):
    client = KubeClient(kubeconfig)
    yield client
    client.close()


@pytest.fixture
def scene(api, unique, kubeconfig, kube):
    scene = KubeScene(api, unique).onboard({"one": kubeconfig.read_bytes()})
    scene.cloud().apps({"web": chart("web", WEB), "db": chart("db", DB)}, {"web": profile("replicas: 2\n"), "db": profile()})
    scene.deployment({"web": scene.by_label("edge"), "db": scene.by_name("one")})
    yield scene
    if scene.status().get("deployedStatus") not in (None, "Terminated"):
        api.post(f"{scene.dig}/terminate")
        scene.wait("Terminated")


def exists(kube, kind, name):
    try:
        return kube.get(kind, name)
    except ApiError as error:
        assert error.code == 404, error
        return None


def versions(kube, objects):
    return {(kind, name): kube.get(kind, name)["metadata"]["resourceVersion"] for kind, name in objects}


def test_two_apps_land_with_their_label_and_leave_nothing_but_definitions(scene, kube):
    status = scene.instantiate()
    context = status["states"]["statusctxid"]
    for app, objects in (("web", WEB_OBJECTS), ("db", DB_OBJECTS)):
        for kind, name in objects:
            assert kube.get(kind, name)["metadata"]["labels"]["emco/deployment-id"] == f"{context}-{app}", (kind, name)
    assert status["deployedCounts"] == {"Applied": 9}
    assert kube.get("v1/Secret", "web")["data"] == {"password": "aHVudGVyMg=="}
    assert [port["protocol"] for port in kube.get("v1/Service", "web")["spec"]["ports"]] == ["TCP", "UDP"]

    scene.api.make(f"{scene.dig}/terminate")
    status = scene.wait("Terminated")
    for kind, name in WEB_OBJECTS + DB_OBJECTS:
        assert exists(kube, kind, name) is None, (kind, name)
    assert exists(kube, "apiextensions.k8s.io/v1/CustomResourceDefinition", "things.emcod.test")
    assert status["deployedCounts"] == {"Applied": 1, "Deleted": 8}
    said = {r["name"]: r.get("message") for app in status["apps"] for c in app["clusters"] for r in c["resources"]
            if r["deployedStatus"] == "Applied"}
    assert list(said) == ["things.emcod.test"] and "it is left alone" in said["things.emcod.test"]
    assert scene.status("status=deployed&output=summary")["deployedCounts"] == status["deployedCounts"]


def test_an_update_changes_only_what_changed(scene, kube):
    scene.instantiate()
    kept = [item for item in WEB_OBJECTS + DB_OBJECTS if item[0] in ("v1/ConfigMap", "v1/Secret", "v1/Service", "emcod.test/v1/Thing",
                                                                    "v1/ServiceAccount")]
    before, generation = versions(kube, kept), kube.get("apps/v1/Deployment", "web")["metadata"]["generation"]
    scene.profile("web", profile("replicas: 3\n"))
    assert scene.api.post(f"{scene.dig}/update").status_code == 202
    scene.wait("Instantiated")
    wait_for(lambda: kube.get("apps/v1/Deployment", "web")["spec"]["replicas"] == 3, what="three replicas")
    assert kube.get("apps/v1/Deployment", "web")["metadata"]["generation"] == generation + 1
    assert versions(kube, kept) == before


def ready(scene):
    return scene.status("status=ready")


def by_kind(status):
    return {(r["GVK"]["Kind"], r["name"]): r for app in status.get("apps", []) for c in app["clusters"] for r in c["resources"]}


def test_status_becomes_ready_when_pods_do(scene, kube):
    scene.instantiate()

    def seen():
        """Everything, and pods; a cluster of which not all is seen yet has nothing that is ready."""
        status = ready(scene)
        kinds = by_kind(status)
        is_there = status.get("readyCounts", {}).get("NotPresent", 0) == 0 and any(kind == "Pod" for kind, _ in kinds)
        return status if is_there and kinds["ConfigMap", "web"]["readyStatus"] == "Ready" else None
    status = wait_for(seen, what="everything to be present, and pods")
    assert status["readyStatus"] == "NotReady"
    assert by_kind(status)["Deployment", "web"]["readyStatus"] == "NotReady"
    assert "observedAt" in status["apps"][0]["clusters"][0]
    named = {r["GVK"]["Kind"] for at in scene.status("status=ready&resources")["resourcesByApp"] for r in at["resources"]}
    rendered = {r["GVK"]["Kind"] for at in scene.status("status=deployed&resources")["resourcesByApp"] for r in at["resources"]}
    assert "Pod" in named and "Pod" not in rendered and rendered < named

    node = "node-" + scene.name
    kube.make_node(node)
    kube.make_pods_ready("default", "app=web", count=2)
    kube.make_pods_ready("default", "job-name=init", phase="Succeeded", ready=False)       # the controller ends the job
    try:
        wait_for(lambda: ready(scene)["readyStatus"] == "Ready" or None, what="Ready")
    except BaseException:
        print([r for app in ready(scene)["apps"] for c in app["clusters"] for r in c["resources"] if r.get("readyStatus") != "Ready"])
        raise
    summary = scene.status("status=ready&output=summary")
    assert summary["readyCounts"] == ready(scene)["readyCounts"], "counters and rows agree"


def test_in_detail_a_status_shows_what_the_cluster_has(api, scene, kube):
    """For those modes that speak of clusters; of the others it is what was rendered."""
    scene.instantiate()
    wait_for(lambda: {("Deployment", "web"), ("Secret", "web"), ("Thing", "db")} <= by_kind(ready(scene)).keys() and
             any(kind == "Pod" for kind, _ in by_kind(ready(scene))) and "NotPresent" not in ready(scene)["readyCounts"], what="all to be seen")
    pod = kube.list("v1/Pod", "default", "app=web")[0]
    kube.set_pod(pod, ready=True)

    for query in ("status=ready", "type=cluster"):
        status = scene.status(query + "&output=detail")
        details = {key: r.get("detail") for key, r in by_kind(status).items()}
        for kind, name in (("apps/v1/Deployment", "web"), ("v1/ConfigMap", "web"), ("emcod.test/v1/Thing", "db"), ("v1/ConfigMap", "db-a"),
                           ("v1/Pod", pod["metadata"]["name"])):
            mine, theirs = details[kind.split("/")[-1], name], kube.get(kind, name, "default")
            assert mine["metadata"].pop("resourceVersion") and theirs["metadata"].pop("resourceVersion")
            assert theirs["metadata"].pop("managedFields") and "managedFields" not in mine["metadata"]
            assert mine.pop("status", None) or kind.split("/")[-1] not in ("Deployment", "Pod")        # it may have moved on
            theirs.pop("status", None)
            theirs["metadata"].pop("annotations", None), mine["metadata"].pop("annotations", None)
            assert mine == theirs, (query, kind)
        assert details["Secret", "web"] is None and "hunter2" not in str(status) and "aHVudGVyMg" not in str(status)
    assert by_kind(scene.status("status=ready&output=detail"))["Pod", pod["metadata"]["name"]]["detail"]["status"]["phase"] == "Running"

    few = by_kind(scene.status("status=ready&output=detail&resource=web&app=web"))
    assert {name for _, name in few} == {"web"} and few["Service", "web"]["detail"]["spec"]["clusterIP"]
    rendered = by_kind(scene.status("status=deployed&output=detail"))["Deployment", "web"]["detail"]
    assert rendered["spec"]["replicas"] == 2 and "uid" not in rendered["metadata"]
    assert all("detail" not in r for r in by_kind(ready(scene)).values())

    kube.patch("v1/ConfigMap", "web", {"metadata": {"annotations": {"theirs": "now"}}})
    wait_for(lambda: by_kind(scene.status("status=ready&output=detail"))["ConfigMap", "web"]["detail"]["metadata"]["annotations"]
             .get("theirs") == "now", what="what somebody else has just written to be shown")


def test_what_others_delete_or_change_is_put_right_and_counted(scene, kube):
    scene.instantiate()
    wait_for(lambda: ready(scene).get("readyCounts", {}).get("NotPresent", 0) == 0, what="everything seen")
    kube.delete("v1/ConfigMap", "web")
    wait_for(lambda: exists(kube, "v1/ConfigMap", "web"), what="the map to come again")
    kube.patch("v1/ConfigMap", "db-a", {"data": {"a": "2"}})
    wait_for(lambda: kube.get("v1/ConfigMap", "db-a")["data"] == {"a": "1"}, what="the text to be put right")
    kube.patch("apps/v1/Deployment", "web", {"spec": {"replicas": 5}})

    def drifts():
        status = scene.status()
        return {app["name"]: app["clusters"][0].get("drifts", 0) for app in status["apps"]}
    wait_for(lambda: drifts() == {"web": 1, "db": 1}, what="one drift of each app")
    scene.wait("Instantiated")
    assert kube.get("apps/v1/Deployment", "web")["spec"]["replicas"] == 5, "replicas are an autoscaler's"


def test_who_writes_back_is_answered_after_longer_and_longer_pauses(scene, kube):
    scene.instantiate()
    wait_for(lambda: ready(scene).get("readyCounts", {}).get("NotPresent", 0) == 0, what="everything seen")
    pauses = []
    for _ in range(5):
        began = time.monotonic()
        kube.patch("v1/ConfigMap", "db-a", {"data": {"a": "theirs"}})
        wait_for(lambda: kube.get("v1/ConfigMap", "db-a")["data"] == {"a": "1"}, what="the text to be put right")
        pauses.append(time.monotonic() - began)
    assert all(pause >= 0.3 * 2 ** i for i, pause in enumerate(pauses)), pauses


def test_what_happens_while_nobody_watches_is_put_right_too(make_daemon, unique, kubeconfig, kube):
    daemon = make_daemon().start()
    scene = KubeScene(daemon.client(), unique).onboard({"one": kubeconfig.read_bytes()})
    scene.cloud().apps({"web": chart("web", WEB)}).deployment({"web": scene.by_name("one")}).instantiate()
    try:
        wait_for(lambda: ready(scene).get("readyCounts", {}).get("NotPresent", 0) == 0, what="everything seen")
        daemon.kill()
        kube.delete("v1/ConfigMap", "web")
        kube.patch("v1/Service", "web", {"spec": {"selector": {"app": "theirs"}}})
        daemon.start()
        scene.api = daemon.client()
        wait_for(lambda: exists(kube, "v1/ConfigMap", "web"), what="the map to come again")
        wait_for(lambda: kube.get("v1/Service", "web")["spec"]["selector"] == {"app": "web"}, what="the selector to be put right")
        assert scene.wait("Instantiated")["apps"][0]["clusters"][0]["drifts"] >= 1, "what is found while it is put right is not counted"
    finally:
        scene.api.make(f"{scene.dig}/terminate")
        scene.wait("Terminated")


VERSIONED = {"map.yaml": """apiVersion: v1
kind: ConfigMap
metadata: {name: versioned}
data:
  kube: {{ .Capabilities.KubeVersion.Version }}
  budget: {{ if semverCompare ">=1.21-0" .Capabilities.KubeVersion.Version }}policy/v1{{ else }}policy/v1beta1{{ end }}
"""}


def test_charts_are_rendered_for_the_version_of_the_cluster(daemon, api, unique, kubeconfig, kube):
    scene = KubeScene(api, unique).onboard({"one": kubeconfig.read_bytes()})
    scene.cloud().apps({"web": chart("web", VERSIONED)}).deployment({"web": scene.by_name("one")})
    version = kube.call("GET", "/version")["gitVersion"]
    wait_for(lambda: daemon.sql(f"SELECT version FROM cluster_watch WHERE cluster = '{scene.provider}+one'") == [(version,)],
             what="the version that the cluster tells when it is onboarded")
    scene.instantiate()
    newer = tuple(int(part) for part in version.lstrip("v").split(".")[:2]) >= (1, 21)
    assert kube.get("v1/ConfigMap", "versioned")["data"] == {"kube": version, "budget": "policy/v1" if newer else "policy/v1beta1"}
    api.make(f"{scene.dig}/terminate")
    scene.wait("Terminated")


def test_a_deployment_says_what_others_may_change(api, unique, kubeconfig, kube):
    """Its policy is to report, and two fields are anybody's: an update leaves those as they are."""
    scene = KubeScene(api, unique).onboard({"one": kubeconfig.read_bytes()})
    scene.cloud().apps({"web": chart("web", WEB)})
    image = '.spec.template.spec.containers[name="main"].image'
    scene.deployment({"web": scene.by_name("one")}, drift={"policy": "report", "ignoreFields": [
        {"kind": "Deployment", "fields": [image]}, {"kind": "ConfigMap", "name": "web", "fields": [".data.text"]}]})
    scene.instantiate()
    try:
        assert kube.get("v1/Service", "web")["metadata"]["annotations"] == {"emco/drift": "report"}
        notes = kube.get("apps/v1/Deployment", "web")["metadata"]["annotations"]
        assert (notes["emco/drift"], notes["emco/ignore-fields"]) == ("report", image)
        wait_for(lambda: ready(scene).get("readyCounts", {}).get("NotPresent", 0) == 0, what="everything seen")

        def drifts():
            return scene.status()["apps"][0]["clusters"][0].get("drifts", 0)
        kube.patch("v1/ConfigMap", "web", {"data": {"text": "theirs"}})
        kube.patch("apps/v1/Deployment", "web", {"spec": {"template": {"spec": {"containers": [
            {"name": "main", "image": "nginx:theirs"}]}}}}, patch_type="strategic")
        kube.patch("v1/Service", "web", {"spec": {"selector": {"app": "theirs"}}})
        wait_for(lambda: drifts() == 1, what="the one change that is a drift")
        assert kube.get("v1/Service", "web")["spec"]["selector"] == {"app": "theirs"}, "it is only reported"

        scene.profile("web", profile("replicas: 3\ntext: ours\n"))
        assert api.post(f"{scene.dig}/update").status_code == 202
        scene.wait("Instantiated")
        web = kube.get("apps/v1/Deployment", "web")["spec"]
        assert web["replicas"] == 3 and web["template"]["spec"]["containers"][0]["image"] == "nginx:theirs"
        assert kube.get("v1/ConfigMap", "web")["data"] == {"text": "theirs"}
        assert drifts() == 1
    finally:
        api.make(f"{scene.dig}/terminate")
        scene.wait("Terminated")


def test_objects_of_one_name_in_two_namespaces_are_two_in_the_status(api, unique, kubeconfig, kube):
    """In no order that the chart gives them: which of them is told of last must not matter."""
    spaces = [f"{unique}-a", f"{unique}-b"]
    templates = {f"{space}.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: twin, namespace: {space}}}\ndata: {{at: {space}}}\n"
                 for space in spaces}
    templates["0.yaml"] = ("{{ if .Values.more }}\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: twin, namespace: " + unique + "-0}\n{{ end }}\n")
    for space in spaces:
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    scene = KubeScene(api, unique).onboard({"one": kubeconfig.read_bytes()})
    scene.cloud().apps({"app": chart("app", templates)})
    scene.deployment({"app": scene.by_name("one")})
    scene.instantiate()

    def twins():
        return [r["readyStatus"] for app in ready(scene).get("apps", []) for c in app["clusters"] for r in c["resources"] if r["name"] == "twin"]
    wait_for(lambda: twins() == ["Ready", "Ready"], what="both to be seen")
    assert ready(scene)["readyCounts"] == {"Ready": 2}
    resources = ready(scene)["apps"][0]["clusters"][0]["resources"]
    assert [sorted(r) for r in resources] == [["GVK", "name", "readyStatus"]] * 2, "the shape stays as it is"
    resources = scene.status("status=ready&output=detail")["apps"][0]["clusters"][0]["resources"]
    assert sorted((r["detail"]["metadata"]["namespace"], r["detail"]["data"]["at"]) for r in resources) == [(s, s) for s in sorted(spaces)]
    assert all(r["detail"]["metadata"]["uid"] for r in resources)

    kube.delete("v1/ConfigMap", "twin", spaces[1])                     # a drift of the one is none of the other
    wait_for(lambda: kube.get("v1/ConfigMap", "twin", spaces[1]), what="the second to come again")
    wait_for(lambda: ready(scene).get("readyCounts") == {"Ready": 2}, what="both to be seen again")
    assert ready(scene)["apps"][0]["clusters"][0]["drifts"] == 1
    # One that the chart names before them changes which of them is the second, and takes none away.
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{unique}-0"}})
    uids = [kube.get("v1/ConfigMap", "twin", space)["metadata"]["uid"] for space in spaces]
    spaces.insert(0, f"{unique}-0")
    scene.profile("app", profile("more: true\n"))
    assert api.post(f"{scene.dig}/update").status_code == 202
    scene.wait("Instantiated")
    wait_for(lambda: ready(scene).get("readyCounts") == {"Ready": 3}, what="three to be seen")
    assert [kube.get("v1/ConfigMap", "twin", space)["metadata"]["uid"] for space in spaces[1:]] == uids
    scene.api.make(f"{scene.dig}/terminate")
    scene.wait("Terminated")
    assert [kube.get("v1/ConfigMap", "twin", space) for space in spaces] == [None] * 3


def test_an_object_of_somebody_else_is_refused_in_words(scene, kube):
    kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"text": "theirs"}})
    try:
        scene.instantiate(wait=False)
        status = scene.wait("InstantiateFailed")
        message = next(r["message"] for app in status["apps"] for c in app["clusters"] for r in c["resources"]
                       if r["GVK"]["Kind"] == "ConfigMap" and r["name"] == "web")
        assert "applied by others" in message and "conflict" in message
        assert kube.get("v1/ConfigMap", "web")["data"] == {"text": "theirs"}
        scene.api.make(f"{scene.dig}/terminate")
        scene.wait("Terminated")
        assert kube.get("v1/ConfigMap", "web")["data"] == {"text": "theirs"}
    finally:
        kube.delete("v1/ConfigMap", "web")
