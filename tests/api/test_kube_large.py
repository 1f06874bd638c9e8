"""Large shapes on a real API server: a monitoring stack, a text as large as a cluster takes and one larger, two thousand objects.

Each of them lands, is updated in one object with no other's resource version moving, and goes.
"""
import os
import pathlib
import subprocess
import sys

import pytest
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kube"))

import monitoring  # noqa: E402
from conftest import wait_for  # noqa: E402
from emco import KubeScene, archive, chart, profile  # noqa: E402
from kube import KubeCluster, Kubelet  # noqa: E402

LABEL = "emco/deployment-id"
TEXT_MAX = 1 << 20                            # of the data of a ConfigMap
DEFINITION = "CustomResourceDefinition"
OF_CONTROLLERS = "kube-controller-manager"
USER = "emcod-large"                          # the audit log tells its requests from everybody else's

BIG = """apiVersion: v1
kind: ConfigMap
metadata: {name: big}
data: {text: {{ repeat (int .Values.size) "x" | quote }}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: small}
data: {text: {{ .Values.text | default "small" | quote }}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: big}
webhooks:
  - name: big.emcod.test
    sideEffects: None
    admissionReviewVersions: [v1]
    clientConfig: {url: "https://127.0.0.1:9/"}
    rules: [{apiGroups: [big.emcod.test], apiVersions: [v1], operations: [CREATE], resources: [nothing]}]
"""
HOOK = "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration"
MANY = """{{- range $i := until 2000 }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: many-{{ $i }}}
data: {text: {{ eq $i (int (default -1 $.Values.changed)) | ternary "changed" "as it was" | quote }}}
{{- end }}
"""


@pytest.fixture(scope="module")
def cluster():
    with KubeCluster(f"emcod-large-{os.getpid()}") as made:
        yield made


@pytest.fixture
def scene(api, unique, cluster):
    """Makes the deployment of one app; the test ends it."""
    made = KubeScene(api, unique).onboard({"one": pathlib.Path(cluster.user(USER)).read_bytes()})

    def make(name, content, values="{}\n"):
        made.cloud().apps({name: content}, {name: profile(values)})
        made.deployment({name: made.by_label("edge")})
        return made
    yield make
    if made.api.get(made.dig).ok and made.status().get("deployedStatus") not in (None, "Terminated"):
        api.post(f"{made.dig}/terminate")
        made.wait("Terminated", 120)
    for item in cluster.list(f"apiextensions.k8s.io/v1/{DEFINITION}"):
        cluster.delete(f"apiextensions.k8s.io/v1/{DEFINITION}", item["metadata"]["name"])


def name_of(item):
    return item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]


def is_brought(item):
    """Not what controllers made of something else of ours, with its labels."""
    managers = {entry["manager"] for entry in item["metadata"].get("managedFields", [])}
    return "ownerReferences" not in item["metadata"] and managers != {OF_CONTROLLERS}


def brought(cluster):
    return {name_of(item): item for item in cluster.labelled(LABEL) if is_brought(item)}


def versions(cluster):
    """Without autoscalers, whose state their controller writes again and again: the audit log speaks of them."""
    return {name: item["metadata"]["resourceVersion"] for name, item in brought(cluster).items()
            if item["kind"] != "HorizontalPodAutoscaler"}


def sent(cluster):
    return [entry["objectRef"].get("name") for entry in cluster.requests(USER, ["create", "update", "patch", "delete"])]


def settled(cluster):
    """The versions once the cluster's own controllers have written what they write: the same twice."""
    before = {}

    def is_still():
        nonlocal before
        now = versions(cluster)
        still, before = now == before, now
        return still
    wait_for(is_still, 60, "the cluster to come to rest")
    return before


def change(scene, app, values, seconds=60):
    scene.profile(app, profile(values))
    assert scene.api.post(f"{scene.dig}/update").status_code == 202
    scene.wait("Instantiated", seconds)


def end(scene, cluster, seconds=60):
    scene.api.make(f"{scene.dig}/terminate")
    scene.wait("Terminated", seconds)
    assert {kind for kind, _, _ in brought(cluster)} <= {DEFINITION}


def contains(there, wanted):
    """Is all of wanted there?  Clusters add defaults; null says nothing."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(contains(there.get(key), value) for key, value in wanted.items() if value is not None)
    if isinstance(wanted, list):
        return isinstance(there, list) and len(there) == len(wanted) and all(map(contains, there, wanted))
    return there == wanted


def rendered(helm, folder, cluster):
    """What Helm makes of the stack, by itself: without tests and what runs at the end, Lists taken apart."""
    for path, text in monitoring.files().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    text = subprocess.run([helm, "template", "r1", folder / "monitoring", "--include-crds", "--set", f"budgets={budgets(cluster)}"],
                          stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout
    found = {}
    for document in filter(None, yaml.safe_load_all(text)):
        hook = document.get("metadata", {}).get("annotations", {}).get("helm.sh/hook", "install")
        if "install" not in hook and "upgrade" not in hook:
            continue
        for item in document["items"] if document["kind"].endswith("List") else [document]:
            item.pop("stringData", None)
            kind, name = item["kind"], item["metadata"]["name"]
            is_namespaced = cluster.is_namespaced(f"{item['apiVersion']}/{kind}")
            found[kind, item["metadata"].get("namespace", "default") if is_namespaced else "", name] = item
    return found


def budgets(cluster):
    """The version of PodDisruptionBudget that this cluster has: older ones have one only, and so have newer ones."""
    served = [version["groupVersion"] for group in cluster.call("GET", "/apis")["groups"] if group["name"] == "policy"
              for version in group["versions"]]
    return "policy/v1" if "policy/v1" in served else "policy/v1beta1"


def status_rows(status):
    return sum(len(c["resources"]) for app in status["apps"] for c in app["clusters"])


def not_present(scene):
    return [(r["GVK"]["Kind"], r["name"], r.get("message")) for app in scene.status("status=ready").get("apps", [])
            for c in app["clusters"] for r in c["resources"] if r.get("readyStatus") == "NotPresent"]


def test_a_monitoring_stack_lands_changes_in_one_object_and_goes(scene, cluster, helm, tmp_path):
    with Kubelet(cluster, "default", "job-name", phase="Succeeded"):          # of the hooks; no other pod is a Job's
        stack(scene, cluster, helm, tmp_path)


def stack(scene, cluster, helm, tmp_path):
    values = f"budgets: {budgets(cluster)}\n"
    scene = scene("monitoring", archive(monitoring.files()), values)
    status = scene.instantiate()
    context = status["states"]["statusctxid"]
    wanted, there = rendered(helm, tmp_path, cluster), brought(cluster)
    assert status["deployedCounts"]["Applied"] == status_rows(status) == len(wanted)
    assert len(wanted) > 110 and len({kind for kind, _, _ in wanted}) > 25
    wanted.pop(("ServiceAccount", "default", "admission"))           # a hook that goes when it has succeeded
    assert there.keys() == wanted.keys()
    for name, item in wanted.items():
        assert contains(there[name], item), f"{name}: wanted {item}, got {there[name]}"
        assert there[name]["metadata"]["labels"][LABEL] == f"{context}-monitoring"

    before, count = settled(cluster), len(sent(cluster))
    change(scene, "monitoring", values + "titles: {d7: Changed}\n")
    after = settled(cluster)
    assert [name for name in sent(cluster)[count:] if not name.startswith("admission")] == ["dashboard-7"]
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert {name for name in changed if not name[2].startswith("admission")} == {("ConfigMap", "default", "dashboard-7")}
    assert '"title": "Changed"' in cluster.get("v1/ConfigMap", "dashboard-7")["data"]["dashboard-7.json"]

    change(scene, "monitoring", values)
    wait_for(lambda: not_present(scene) == [], what=lambda: f"everything to be seen, but {not_present(scene)}")
    assert not any(c.get("drifts") for app in scene.status()["apps"] for c in app["clusters"]), "nobody has drifted"
    scene.api.make(f"{scene.dig}/terminate")
    scene.wait("Terminated")
    for name in ("admission-create", "admission-patch", "farewell"):         # hooks stay, as with Helm
        assert cluster.delete("batch/v1/Job", name), name
    assert cluster.get("v1/Namespace", "stack-agents", None) is None
    assert {name for kind, _, name in brought(cluster)} == {f"{plural}.monitoring.test" for plural in monitoring.KINDS.values()}


def test_a_text_of_a_megabyte_lands_stays_untouched_and_goes(scene, cluster):
    size = f"size: {TEXT_MAX - 10}\n"
    scene = scene("big", chart("big", {"big.yaml": BIG}), size)
    scene.instantiate()
    assert len(cluster.get("v1/ConfigMap", "big")["data"]["text"]) == TEXT_MAX - 10
    before = versions(cluster)
    change(scene, "big", size + "text: changed\n")
    after = versions(cluster)
    assert {name for name in before if before[name] != after[name]} == {("ConfigMap", "default", "small")}
    end(scene, cluster)
    assert brought(cluster) == {}


def test_a_text_over_the_limit_is_refused_in_the_api_servers_words_and_alone(scene, cluster):
    scene = scene("big", chart("big", {"big.yaml": BIG}), f"size: {TEXT_MAX + 1}\n")
    scene.instantiate(wait=False)
    status = scene.wait("InstantiateFailed")
    resources = {r["name"]: r for r in status["apps"][0]["clusters"][0]["resources"] if r["GVK"]["Kind"] == "ConfigMap"}
    assert resources["small"]["deployedStatus"] == "Applied"
    assert resources["big"]["deployedStatus"] == "Failed"
    assert f"must have at most {TEXT_MAX}" in resources["big"]["message"]
    webhook = next(r for r in status["apps"][0]["clusters"][0]["resources"] if r["GVK"]["Kind"] == "ValidatingWebhookConfiguration")
    assert webhook["message"] == "it comes when everything else is there"
    assert cluster.get(HOOK, "big") is None

    change(scene, "big", f"size: {TEXT_MAX}\n")
    assert len(cluster.get("v1/ConfigMap", "big")["data"]["text"]) == TEXT_MAX
    assert cluster.get(HOOK, "big")
    end(scene, cluster)
    assert brought(cluster) == {}


def test_two_thousand_objects_land_change_in_one_and_go(scene, cluster):
    scene = scene("many", chart("many", {"many.yaml": MANY}))
    scene.instantiate(wait=False)
    status = scene.wait("Instantiated", 300)
    assert status["deployedCounts"] == {"Applied": 2000}
    before, count = versions(cluster), len(sent(cluster))
    assert len(before) == 2000
    change(scene, "many", "changed: 1234\n")
    assert sent(cluster)[count:] == ["many-1234"]
    after = versions(cluster)
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == {("ConfigMap", "default", "many-1234")}
    end(scene, cluster, 300)
    assert brought(cluster) == {}
