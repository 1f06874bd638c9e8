"""The test clusters are what tests take them for: real API servers with real controllers."""
import base64
import os
import subprocess
import sys
import time

import pytest
import requests
import yaml

from kube import ApiError, KubeClient, KubeCluster, Kubelet, SCRIPT, wait_for

NAMESPACE = "t1"


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data}


def deployment(name, replicas=2, image="example.org/web:1"):
    labels = {"app": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels},
                                  "spec": {"containers": [{"name": "web", "image": image}]}}}}


def namespace(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    os.environ["EMCO_KUBE_DIR"] = str(tmp_path_factory.mktemp("kube"))
    yield
    del os.environ["EMCO_KUBE_DIR"]


@pytest.fixture(scope="module")
def cluster(folder):
    with KubeCluster("a") as made:
        made.apply(namespace(NAMESPACE))
        yield made


@pytest.fixture
def controllers(cluster):
    if not cluster.has_controllers:
        pytest.fail("there is no kube-controller-manager beside kube-apiserver: put one into the folder that KUBEBUILDER_ASSETS "
                    f"names ({os.environ.get('KUBEBUILDER_ASSETS', 'not set')}), or unset it, and scripts/fetch-kube makes one")


def available(cluster, name, count):
    status = cluster.get("apps/v1/Deployment", name, NAMESPACE).get("status", {})
    return status.get("availableReplicas", 0) == count and status.get("updatedReplicas", 0) == count


def test_up_is_harmless_to_repeat(cluster):
    before = [cluster.pid(p) for p in ("etcd", "kube-apiserver", "kube-controller-manager")]
    started = time.monotonic()
    KubeCluster("a").up().close()
    assert time.monotonic() - started < 5
    assert [cluster.pid(p) for p in ("etcd", "kube-apiserver", "kube-controller-manager")] == before


def test_server_side_apply_keeps_the_fields_of_two_managers_apart(cluster):
    cluster.apply(config_map("shared", ours="1"), manager="one")
    cluster.apply(config_map("shared", theirs="2"), manager="two")
    assert cluster.get("v1/ConfigMap", "shared", NAMESPACE)["data"] == {"ours": "1", "theirs": "2"}
    with pytest.raises(ApiError) as refused:
        cluster.apply(config_map("shared", ours="3"), manager="two")
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")
    cluster.apply(config_map("shared"), manager="one")
    assert cluster.get("v1/ConfigMap", "shared", NAMESPACE)["data"] == {"theirs": "2"}


def test_a_custom_resource_is_served_after_its_definition(cluster):
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
           "metadata": {"name": "lamps.example.org"},
           "spec": {"group": "example.org", "scope": "Namespaced",
                    "names": {"plural": "lamps", "singular": "lamp", "kind": "Lamp", "listKind": "LampList"},
                    "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                        "type": "object", "properties": {"spec": {"type": "object", "properties": {
                            "watts": {"type": "integer"}}}}}}}]}}
    cluster.apply(crd)
    kind = "apiextensions.k8s.io/v1/CustomResourceDefinition"
    wait_for(lambda: any(c["type"] == "Established" and c["status"] == "True"
                         for c in cluster.get(kind, "lamps.example.org").get("status", {}).get("conditions") or []))
    wait_for(lambda: cluster.request("GET", "/apis/example.org/v1").ok, what="discovery of the new group")
    lamp = {"apiVersion": "example.org/v1", "kind": "Lamp", "metadata": {"name": "l", "namespace": NAMESPACE},
            "spec": {"watts": 5}}
    cluster.apply(lamp)
    assert cluster.get("example.org/v1/Lamp", "l", NAMESPACE)["spec"] == {"watts": 5}
    with pytest.raises(ApiError) as refused:
        cluster.apply(dict(lamp, spec={"watts": "many"}))
    assert "watts: expected numeric" in refused.value.message             # 500 from old servers, 4xx from new ones


def test_deletion_of_a_namespace_finishes(cluster, controllers):
    cluster.apply(namespace("leaving"))
    cluster.create(dict(config_map("c"), metadata={"name": "c", "namespace": "leaving"}))
    cluster.create({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "p", "namespace": "leaving"},
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
    assert cluster.delete("v1/Namespace", "leaving")
    cluster.wait_gone("v1/Namespace", "leaving")


def test_a_deployment_becomes_available_when_its_pods_are_ready(cluster, controllers):
    cluster.apply(deployment("web"))
    cluster.make_pods_ready(NAMESPACE, "app=web", count=2)
    wait_for(lambda: available(cluster, "web", 2), what="availability")
    cluster.delete("apps/v1/Deployment", "web", NAMESPACE)
    wait_for(lambda: not cluster.list("v1/Pod", NAMESPACE, "app=web"), what="the garbage collector's work")


def test_a_rollout_ends_with_pods_of_the_new_kind(cluster, controllers):
    with Kubelet(cluster, NAMESPACE, "app=rolling"):
        cluster.apply(deployment("rolling", 3))
        wait_for(lambda: available(cluster, "rolling", 3), what="availability")
        cluster.apply(deployment("rolling", 3, "example.org/web:2"))
        wait_for(lambda: {p["spec"]["containers"][0]["image"] for p in cluster.list("v1/Pod", NAMESPACE, "app=rolling")}
                 == {"example.org/web:2"} and available(cluster, "rolling", 3), what="the rollout")
    cluster.delete("apps/v1/Deployment", "rolling", NAMESPACE)


def test_a_job_completes_when_its_pod_succeeds(cluster, controllers):
    cluster.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": NAMESPACE},
                   "spec": {"template": {"spec": {"restartPolicy": "Never",
                                                  "containers": [{"name": "c", "image": "example.org/c:1"}]}}}})
    cluster.make_pods_ready(NAMESPACE, "job-name=once", phase="Succeeded")
    wait_for(lambda: cluster.get("batch/v1/Job", "once", NAMESPACE)["status"].get("succeeded") == 1, what="success")


def test_a_daemon_set_is_ready_on_every_node(cluster, controllers):
    cluster.make_node("n1")
    cluster.make_node("n2")
    labels = {"app": "everywhere"}
    cluster.apply({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "everywhere", "namespace": NAMESPACE},
                   "spec": {"selector": {"matchLabels": labels}, "template": {
                       "metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "example.org/c:1"}]}}}})
    cluster.make_pods_ready(NAMESPACE, "app=everywhere", count=2)
    wait_for(lambda: cluster.get("apps/v1/DaemonSet", "everywhere", NAMESPACE)["status"]["numberReady"] == 2)


def test_a_certificate_request_is_signed_once_approved(cluster, controllers, tmp_path):
    made = subprocess.run(["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "key",
                           "-subj", "/CN=edge"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=60)
    kind = "certificates.k8s.io/v1/CertificateSigningRequest"
    request = cluster.create({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
                              "metadata": {"name": "edge"},
                              "spec": {"request": base64.b64encode(made.stdout).decode(), "usages": ["client auth"],
                                       "signerName": "kubernetes.io/kube-apiserver-client"}})
    request["status"]["conditions"] = [{"type": "Approved", "status": "True", "reason": "test", "message": ""}]
    cluster.call("PUT", cluster.path(kind, "edge") + "/approval", json=request)
    wait_for(lambda: cluster.get(kind, "edge")["status"].get("certificate"), what="the certificate")


def test_bad_kubeconfigs_fail_as_they_should(cluster):
    nobody = KubeClient(cluster.kubeconfig_of("nobody"))
    with pytest.raises(ApiError) as refused:
        nobody.apply(config_map("no"))
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    assert KubeClient(cluster.kubeconfig_of("expired")).request("GET", "/api/v1").status_code == 401
    with pytest.raises(requests.exceptions.SSLError):
        KubeClient(cluster.kubeconfig_of("wrong-ca")).request("GET", "/api/v1")


def test_requests_can_be_counted(cluster):
    someone = KubeClient(cluster.user("someone"))
    before = cluster.metrics()
    someone.apply(config_map("counted"))
    assert (cluster.metrics() - before)["APPLY", "configmaps"] == 1
    sent = cluster.requests(user="someone", resource="configmaps")
    assert [(r["verb"], r["objectRef"]["name"], r["responseStatus"]["code"]) for r in sent] == [("patch", "counted", 201)]
    assert cluster.requests(user="someone", verbs=["delete"]) == []
    idle = KubeClient(cluster.user("idle", permissions=False))
    assert cluster.requests(user="idle") == []
    assert idle.request("GET", "/api/v1/namespaces").status_code == 403
    assert len(cluster.requests(user="idle")) == 1


def test_two_clusters_at_once_share_nothing(cluster):
    with KubeCluster("n") as other:           # a name that YAML takes for "no" where it is not quoted
        assert yaml.safe_load(open(other.kubeconfig, encoding="utf-8"))["current-context"] == "n"
        other.apply(namespace(NAMESPACE))
        other.apply(config_map("here", only="n"))
        assert cluster.get("v1/ConfigMap", "here", NAMESPACE) is None
        assert other.server != cluster.server
        stranger = KubeClient(other.kubeconfig)
        stranger.server = cluster.server
        with pytest.raises(requests.exceptions.SSLError):
            stranger.request("GET", "/api/v1")
        listed = subprocess.run([SCRIPT, "list"], stdout=subprocess.PIPE, text=True, check=True, timeout=30).stdout
        assert [line.split()[0] for line in listed.splitlines()] == ["a", "n"]
        folder = other.folder
    assert not folder.exists()


def test_a_paused_server_answers_when_it_resumes(cluster):
    cluster.pause()
    try:
        with pytest.raises(requests.exceptions.Timeout):
            KubeClient(cluster.kubeconfig).request("GET", "/api/v1", seconds=0.5)
    finally:
        cluster.resume()
    assert cluster.get("v1/Namespace", NAMESPACE)


def test_after_kill_9_up_brings_it_back_with_its_data(cluster):
    cluster.apply(config_map("kept", still="here"))
    cluster.kill()
    cluster.up()                              # at the same address, or it fails
    assert cluster.get("v1/ConfigMap", "kept", NAMESPACE)["data"] == {"still": "here"}
    assert cluster.apply(config_map("kept", still="works"))["data"] == {"still": "works"}


def test_a_reboot_leaves_a_cluster_that_starts_afresh(cluster):
    cluster.kill()
    subprocess.run(["rm", "-rf", (cluster.folder / "location").read_text().strip()], check=True, timeout=30)
    (cluster.folder / "etcd.pid").write_text(f"{os.getpid()} 1\n")       # another program has the number by now
    cluster.up()
    assert cluster.get("v1/Namespace", NAMESPACE) is None
    cluster.apply(namespace(NAMESPACE))
    cluster.apply(config_map("new"))


def test_a_cluster_ends_with_the_process_that_wanted_it(folder):
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    name = KubeCluster("owned")
    subprocess.run([SCRIPT, "up", "owned", "--until", str(owner.pid)], check=True, timeout=300, stdout=subprocess.DEVNULL)
    assert name.pid("etcd")
    owner.kill()
    owner.wait(10)
    wait_for(lambda: not name.folder.exists(), 60, "the end of the cluster")


@pytest.mark.parametrize("arguments, says", [
    (["up"], "usage: cluster"),
    (["up", "../escape"], "a name is at most 40"),
    (["up", "x", "--until", "soon"], "usage: cluster"),
    (["kubeconfig", "nonesuch"], 'there is no cluster "nonesuch"'),
    (["remove", "a"], "usage: cluster"),
    (["kubeconfig", "a", "--unknown"], "usage: cluster"),
])
def test_wrong_usage_is_refused_with_a_reason(cluster, arguments, says):
    done = subprocess.run([SCRIPT, *arguments], stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert done.returncode != 0 and says in done.stderr
