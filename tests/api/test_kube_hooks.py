"""Helm hooks on a real API server: nobody runs pods there, so the tests say when a Job is done."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kube"))

from conftest import wait_for  # noqa: E402
from emco import KubeScene, archive, profile  # noqa: E402
from kube import KubeClient, KubeCluster  # noqa: E402

NAME = f"emcod-hooks-{os.getpid()}"
JOB, POD, DEPLOYMENT, CONFIG_MAP = "batch/v1/Job", "v1/Pod", "apps/v1/Deployment", "v1/ConfigMap"

MAIN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-main}\ndata: {text: {{ .Values.text | default \"a\" | quote }}}\n"


def hook(kind, name, body, events, weight=0, policy=None, **others):
    """others: annotations, with "_" for "/"."""
    version, short = kind.rsplit("/", 1)
    annotations = {"helm.sh/hook": events, "helm.sh/hook-weight": str(weight)}
    annotations.update({key.replace("_", "/"): value for key, value in others.items()})
    if policy:
        annotations["helm.sh/hook-delete-policy"] = policy
    lines = "".join(f'    {key}: "{value}"\n' for key, value in annotations.items())
    return f"apiVersion: {version}\nkind: {short}\nmetadata:\n  name: {name}\n  annotations:\n{lines}{body}"


CONTAINERS = '[{name: main, image: busybox, args: [{{ .Values.text | default "a" | quote }}]}]'


def job(name, events, **arguments):
    return hook(JOB, name, f"""spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: {CONTAINERS}
""", events, **arguments)


def chart(templates):
    """A chart whose main object comes out of a library subchart."""
    files = {
        "app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 0.1.0\ndependencies: [{name: common, version: 0.1.0}]\n",
        "app/values.yaml": "{}\n",
        "app/charts/common/Chart.yaml": "apiVersion: v2\nname: common\nversion: 0.1.0\ntype: library\n",
        "app/charts/common/templates/_map.tpl": '{{- define "common.map" -}}\n' + MAIN + "{{- end }}\n",
        "app/templates/main.yaml": '{{ include "common.map" . }}\n',
    }
    files.update({f"app/templates/{name}.yaml": text for name, text in templates.items()})
    return archive(files)


@pytest.fixture(scope="module")
def cluster():
    with KubeCluster(NAME) as cluster:
        yield cluster


@pytest.fixture
def kube(cluster):
    client = KubeClient(pathlib.Path(cluster.kubeconfig))
    yield client
    for kind in (JOB, DEPLOYMENT, POD):
        for item in client.list(kind, "default"):
            client.delete(kind, item["metadata"]["name"])
    client.close()


def make_scene(api, unique, cluster, templates):
    scene = KubeScene(api, unique).onboard({"one": pathlib.Path(cluster.kubeconfig).read_bytes()})
    scene.cloud().apps({"app": chart(templates)})
    return scene.deployment({"app": scene.by_name("one")})


def end(kube, name, how="Complete"):
    """Its pods are done, and its controller says that it is: a pod that it makes anew meanwhile ends the same way."""
    uid = wait_for(lambda: kube.get(JOB, name), what=f"job {name}")["metadata"]["uid"]

    def is_over():
        job = kube.get(JOB, name)
        if job is None or job["metadata"]["uid"] != uid:
            return True                  # deleted when it was done
        if any(condition["type"] == how and condition["status"] == "True" for condition in job["status"].get("conditions", [])):
            return True
        for pod in kube.list("v1/Pod", "default", f"job-name={name}"):
            if pod["status"].get("phase") in ("Pending", "Running"):
                kube.set_pod(pod, "Succeeded" if how == "Complete" else "Failed", ready=False)
        return False

    wait_for(is_over, what=f"job {name} to be {how}")
    return uid


def stop(daemon):
    status = daemon.stop()
    assert status == 0, f"emcod stopped with {status}: {daemon.tail(60)}"


def place(scene):
    return scene.status()["apps"][0]["clusters"][0]


def blocked(scene, name, event, kind="Job"):
    """The one cluster's status: what is awaited and why come together."""
    return wait_for(lambda: (here := place(scene)).get("blockedBy") == [{"hook": f"{name}+{kind}", "event": event}] and here,
                    what=f"{name} to be awaited")


def main_map(kube):
    return kube.get("v1/ConfigMap", "r1-main")


def terminate(scene, kube, *hooks):
    scene.api.make(f"{scene.dig}/terminate")
    for hook in hooks:
        end(kube, hook)
    scene.wait("Terminated")


def test_hooks_run_one_after_another_around_the_rest_and_each_event_has_its_own(api, unique, cluster, kube):
    scene = make_scene(api, unique, cluster, {
        "a": job("h-b", "pre-install"), "b": job("h-a", "pre-install"), "c": job("h-first", "pre-install", weight=-1),
        "d": job("h-after", "post-install,post-upgrade"), "e": job("h-up", "pre-upgrade"), "f": job("h-back", "pre-rollback"),
        "g": job("h-bye", "pre-delete", policy="hook-succeeded"), "h": job("h-gone", "post-delete")})
    scene.instantiate(wait=False)
    for name, later in (("h-first", "h-a"), ("h-a", "h-b"), ("h-b", None)):
        waits = blocked(scene, name, "pre-install")
        assert waits["error"].startswith(f'waits for pre-install hook "{name}+Job"'), waits
        assert main_map(kube) is None and (later is None or kube.get(JOB, later) is None)
        end(kube, name)
    blocked(scene, "h-after", "post-install")
    assert main_map(kube)["data"] == {"text": "a"} and scene.status()["deployedStatus"] == "Instantiating"
    end(kube, "h-after")
    status = scene.wait("Instantiated")
    assert "blockedBy" not in place(scene) and status["deployedCounts"] == {"Applied": 5}
    assert kube.get(JOB, "h-up") is None and kube.get(JOB, "h-bye") is None
    ready = wait_for(lambda: (s := scene.status("status=ready")).get("readyStatus") == "Ready" and s, what="Ready")
    assert ready["readyCounts"] == {"Ready": 1} == scene.status("status=ready&output=summary")["readyCounts"]

    before = {item["metadata"]["name"]: item["metadata"]["uid"] for item in kube.list(JOB, "default")}
    assert api.post(f"{scene.dig}/update").status_code == 202          # which changes nothing, and runs none
    wait_for(lambda: (done := api.get(f"{scene.dig}/history?limit=1").json()[0])["operation"] == "update" and done["outcome"] == "done",
             what="the update in the history")
    scene.wait("Instantiated")

    kube.delete("v1/ConfigMap", "r1-main")          # a drift is put right without them, too, and after what the update may have left
    wait_for(lambda: main_map(kube), what="the map to come again")
    scene.wait("Instantiated")
    assert {item["metadata"]["name"]: item["metadata"]["uid"] for item in kube.list(JOB, "default")} == before

    scene.profile("app", profile("text: b\n"))
    assert api.post(f"{scene.dig}/update").status_code == 202
    blocked(scene, "h-up", "pre-upgrade")
    assert main_map(kube)["data"] == {"text": "a"}
    end(kube, "h-up")
    blocked(scene, "h-after", "post-upgrade")
    assert main_map(kube)["data"] == {"text": "b"}
    assert kube.get(JOB, "h-after")["metadata"]["uid"] != before["h-after"], "the one before was deleted"
    end(kube, "h-after")
    scene.wait("Instantiated")

    assert api.post(f"{scene.dig}/rollback", {"spec": {"revision": "1"}}).status_code == 202
    blocked(scene, "h-back", "pre-rollback")
    end(kube, "h-back")
    scene.wait("Instantiated")
    assert main_map(kube)["data"] == {"text": "a"}

    api.make(f"{scene.dig}/terminate")
    end(kube, "h-bye")
    wait_for(lambda: kube.get(JOB, "h-gone"), what="the hook after the end")
    assert main_map(kube) is None and kube.get(JOB, "h-bye") is None, "deleted as it has succeeded"
    assert scene.status()["deployedStatus"] == "Terminating"
    end(kube, "h-gone")
    scene.wait("Terminated")


def test_a_hook_that_fails_stops_everything_and_runs_again_when_it_is_tried_again(make_daemon, unique, cluster, kube):
    daemon = make_daemon(controllers={"rsync": 'plugin = "rsync";\noptions = { retry_failed_ms = 3000; hook_timeout_ms = 4000; };\n'}).start()
    scene = make_scene(daemon.client(), unique, cluster, {"a": job("f-pre", "pre-install"), "b": job("f-late", "pre-install", weight=5)})
    scene.instantiate(wait=False)
    first = end(kube, "f-pre", "Failed")
    status = scene.wait("InstantiateFailed")
    assert 'pre-install hook "f-pre+Job" has failed' in place(scene)["error"], status
    assert main_map(kube) is None and kube.get(JOB, "f-late") is None
    again = wait_for(lambda: (j := kube.get(JOB, "f-pre")) and j["metadata"]["uid"] != first and j, what="another try")
    assert end(kube, "f-pre") == again["metadata"]["uid"]
    blocked(scene, "f-late", "pre-install")
    wait_for(lambda: "was not done within 4000 ms" in place(scene).get("error", ""), what="the deadline")
    late = wait_for(lambda: (j := kube.get(JOB, "f-late")) and j, what="another try")
    assert late
    scene.api.make(f"{scene.dig}/terminate")
    scene.wait("Terminated")
    stop(daemon)


def test_a_hook_that_runs_when_emcod_dies_is_awaited_and_not_made_again(make_daemon, unique, cluster, kube):
    daemon = make_daemon().start()
    scene = make_scene(daemon.client(), unique, cluster, {"a": job("k-one", "pre-install"), "b": job("k-two", "pre-install", weight=1)})
    scene.instantiate(wait=False)
    one = end(kube, "k-one")
    blocked(scene, "k-two", "pre-install")
    two = kube.get(JOB, "k-two")["metadata"]["uid"]
    daemon.kill()
    daemon.start()
    scene.api = daemon.client()
    blocked(scene, "k-two", "pre-install")
    assert end(kube, "k-two") == two
    scene.wait("Instantiated")
    assert kube.get(JOB, "k-one")["metadata"]["uid"] == one and kube.get(JOB, "k-two")["metadata"]["uid"] == two
    terminate(scene, kube)
    stop(daemon)


ACCOUNT = """apiVersion: v1
kind: ServiceAccount
metadata:
  name: p-account
  annotations: {helm.sh/hook: pre-install, helm.sh/hook-weight: "-5", helm.sh/hook-delete-policy: "hook-succeeded,before-hook-creation"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: p-kept, annotations: {helm.sh/resource-policy: keep}}
data: {a: b}
"""


def test_policies_say_what_is_deleted_and_what_stays(api, unique, cluster, kube):
    scene = make_scene(api, unique, cluster, {
        "a": ACCOUNT, "b": job("p-job", "pre-install"), "c": job("p-after", "post-install", policy="hook-failed")})
    scene.instantiate(wait=False)
    blocked(scene, "p-job", "pre-install")
    assert kube.get("v1/ServiceAccount", "p-account"), "it goes when all of its stage have succeeded"
    end(kube, "p-job")
    blocked(scene, "p-after", "post-install")
    assert kube.get("v1/ServiceAccount", "p-account") is None and kube.get(JOB, "p-job")
    end(kube, "p-after", "Failed")
    scene.wait("InstantiateFailed")
    assert kube.get(JOB, "p-after") is None and main_map(kube), "only what came before it is there"
    terminate(scene, kube)
    assert main_map(kube) is None and kube.get("v1/ConfigMap", "p-kept")["data"] == {"a": "b"}
    stays = {r["name"]: r.get("message", "") for r in place(scene)["resources"] if r["deployedStatus"] == "Applied"}
    assert list(stays) == ["p-kept"] and "resource-policy is keep" in stays["p-kept"]
    kube.delete("v1/ConfigMap", "p-kept")


def test_a_pod_has_done_its_work_when_it_has_succeeded_and_not_when_it_is_ready(make_daemon, unique, cluster, kube):
    daemon = make_daemon(controllers={"rsync": 'plugin = "rsync";\noptions = { retry_failed_ms = 1000; };\n'}).start()
    body = f"spec:\n  restartPolicy: Never\n  containers: {CONTAINERS}\n"
    scene = make_scene(daemon.client(), unique, cluster, {
        "a": hook(POD, "pod-pre", body, "pre-install"), "b": hook(POD, "pod-post", body, "post-install")})
    scene.instantiate(wait=False)
    blocked(scene, "pod-pre", "pre-install", "Pod")
    kube.set_pod(kube.get(POD, "pod-pre"), "Running", ready=True)
    wait_for(lambda: "the pod runs and has not done its work yet" in place(scene).get("error", ""), what="the pod to be seen ready")
    assert main_map(kube) is None
    kube.set_pod(kube.get(POD, "pod-pre"), "Succeeded")

    blocked(scene, "pod-post", "post-install", "Pod")
    assert main_map(kube)
    first = kube.get(POD, "pod-post")
    kube.set_pod(first, "Failed")
    wait_for(lambda: 'post-install hook "pod-post+Pod" has failed: the pod has failed' in place(scene).get("error", ""), what="the failure")
    again = wait_for(lambda: (p := kube.get(POD, "pod-post")) and p["metadata"]["uid"] != first["metadata"]["uid"] and p, what="another try")
    kube.set_pod(again, "Succeeded")
    scene.wait("Instantiated")
    assert kube.get(POD, "pod-post")["metadata"]["uid"] == again["metadata"]["uid"]
    terminate(scene, kube)
    stop(daemon)


def test_a_deployment_is_done_when_the_pods_of_its_new_template_are_ready(api, unique, cluster, kube):
    body = f"""spec:
  selector: {{matchLabels: {{app: dep}}}}
  template:
    metadata: {{labels: {{app: dep}}}}
    spec:
      containers: {CONTAINERS}
"""
    scene = make_scene(api, unique, cluster, {"a": hook(DEPLOYMENT, "dep", body, "pre-install,pre-upgrade", policy="hook-failed")})
    scene.instantiate(wait=False)
    blocked(scene, "dep", "pre-install", "Deployment")
    assert main_map(kube) is None
    old = kube.make_pods_ready("default", "app=dep")[0]["metadata"]["uid"]
    scene.wait("Instantiated")
    uid = kube.get(DEPLOYMENT, "dep")["metadata"]["uid"]

    scene.profile("app", profile("text: b\n"))
    assert api.post(f"{scene.dig}/update").status_code == 202
    blocked(scene, "dep", "pre-upgrade", "Deployment")
    new = wait_for(lambda: next((p for p in kube.list(POD, "default", "app=dep") if p["metadata"]["uid"] != old), None), what="its pod")
    wait_for(lambda: "pods of the template before are still there" in place(scene).get("error", ""), what="the older pod to be seen")
    assert main_map(kube)["data"] == {"text": "a"}
    kube.set_pod(new)
    scene.wait("Instantiated")
    assert main_map(kube)["data"] == {"text": "b"}
    assert kube.get(DEPLOYMENT, "dep")["metadata"]["uid"] == uid, "changed, as no policy deletes the one before"
    terminate(scene, kube)


def plain_job(name):
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": {"spec": pod}}}


def identity(kube, name):
    metadata = kube.get(JOB, name)["metadata"]
    return metadata["uid"], metadata.get("labels", {}).get("emco/deployment-id")


def test_what_others_have_made_in_the_place_of_a_hook_is_not_taken_over(make_daemon, unique, cluster, kube):
    daemon = make_daemon(controllers={"rsync": 'plugin = "rsync";\noptions = { retry_failed_ms = 1000; };\n'}).start()
    kube.create(plain_job("x-job"))
    foreign = identity(kube, "x-job")
    scene = make_scene(daemon.client(), unique, cluster, {"a": job("x-job", "pre-install", policy="hook-failed,before-hook-creation")})
    scene.instantiate(wait=False)
    scene.wait("InstantiateFailed")
    assert place(scene)["error"].startswith('pre-install hook "x-job+Job" has failed: it is there already and was applied by others'), place(scene)
    assert identity(kube, "x-job") == foreign and foreign[1] is None and main_map(kube) is None
    kube.delete(JOB, "x-job")
    wait_for(lambda: (j := kube.get(JOB, "x-job")) is None or j["metadata"]["uid"] != foreign[0], what="the end of the other's")
    end(kube, "x-job")
    scene.wait("Instantiated")

    ours = identity(kube, "x-job")
    other = make_scene(daemon.client(), unique + "b", cluster, {"a": job("x-job", "pre-install")})
    other.instantiate(wait=False)
    other.wait("InstantiateFailed")
    assert f'pre-install hook "x-job+Job" has failed: it belongs to deployment "{ours[1]}", which was first' in place(other)["error"]
    terminate(other, kube)
    terminate(scene, kube)
    assert identity(kube, "x-job") == ours
    stop(daemon)


def test_a_hook_is_taken_over_when_the_chart_says_so(api, unique, cluster, kube):
    kube.create(plain_job("t-job"))
    foreign = identity(kube, "t-job")
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "t-map"}, "data": {"text": "theirs"}}, manager="others")
    scene = make_scene(api, unique, cluster, {
        "a": job("t-job", "pre-install", emco_takeover="true"),
        "b": hook(CONFIG_MAP, "t-map", "data: {text: ours}\n", "pre-install", weight=-1, policy="hook-failed", emco_takeover="true")})
    scene.instantiate(wait=False)
    blocked(scene, "t-job", "pre-install")
    assert identity(kube, "t-job")[0] != foreign[0] and kube.get(CONFIG_MAP, "t-map")["data"] == {"text": "ours"}
    end(kube, "t-job")
    scene.wait("Instantiated")
    terminate(scene, kube)
    kube.delete(CONFIG_MAP, "t-map")
