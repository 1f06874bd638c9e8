"""The demo on Kubernetes API servers, with the daemon of this build: it must not be what a newcomer finds broken."""
import base64
import json
import os
import pathlib
import socket
import subprocess

import pytest
import yaml

from kube import PROGRAMS, KubeClient, KubeCluster, Kubelet

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LABEL = "emco/deployment-id"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def demo(tmp_path):
    """Runs demo/run kube with data of its own; what a failed test leaves goes."""
    environment = dict(os.environ, DEMO_DATA=str(tmp_path / "demo"), EMCO_PORT=str(free_port()), EMCO_PG_FAST="1")
    environment.setdefault("EMCO_DAEMON", str(SOURCE / "build" / "dev" / "host" / "emcod"))
    environment.pop("DEMO_KUBECONFIG", None)

    def run(*words, kubeconfig=None, status=0):
        more = {"DEMO_KUBECONFIG": str(kubeconfig)} if kubeconfig else {}
        done = subprocess.run([SOURCE / "demo" / "run", "kube", *words], env={**environment, **more}, text=True, timeout=400,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert done.returncode == status, done.stdout
        return done.stdout
    yield run
    run("clean")


def programs_below(folder):
    """The names of those whose command line names the folder."""
    found = set()
    for line in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue                          # it ended meanwhile
        if any(str(folder) in word for word in words):
            found.add(pathlib.Path(words[0]).name)
    return found


def kubeconfig_with_files(folder, clusters):
    """A kubeconfig as kubeadm and minikube write it: certificates in files beside it, several contexts, names with "@"."""
    merged = {"apiVersion": "v1", "kind": "Config", "current-context": "", "contexts": [], "clusters": [], "users": []}
    for name, cluster in clusters.items():
        config = yaml.safe_load(pathlib.Path(cluster.kubeconfig).read_text())
        part, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        (folder / name).mkdir()
        parts = {"clusters": {"server": part["server"]}, "users": {}}
        for where, said, member in (("clusters", part, "certificate-authority"), ("users", user, "client-certificate"),
                                    ("users", user, "client-key")):
            path = folder / name / member
            path.write_bytes(base64.b64decode(said[member + "-data"]))
            parts[where][member] = f"{name}/{member}"
        for where, content in parts.items():
            merged[where].append({"name": f"the-{name}", where[:-1]: content})
        merged["contexts"].append({"name": f"admin@{name}", "context": {"cluster": f"the-{name}", "user": f"the-{name}"}})
    path = folder / "config"
    path.write_text(yaml.safe_dump(merged))
    return path


def brought(cluster):
    return {item["kind"] for item in cluster.labelled(LABEL)} & {"ConfigMap", "Deployment", "Service", "StatefulSet"}


def test_on_clusters_of_its_own_it_leaves_them_to_look_at_until_it_is_cleaned(demo, tmp_path):
    said = demo()
    assert '"readyStatus":"Ready"' in said
    assert programs_below(tmp_path) <= set(PROGRAMS)
    for name in ("one", "two"):
        client = KubeClient(tmp_path / "demo" / "kube" / "kubeconfigs" / name)
        assert brought(client) >= {"ConfigMap", "Deployment", "Service"}
        client.close()
    demo("clean")
    assert not (tmp_path / "demo").exists()
    assert programs_below(tmp_path) == set()


def test_on_lent_clusters_it_takes_back_what_it_has_brought(demo, tmp_path, monkeypatch):
    monkeypatch.setenv("EMCO_KUBE_DIR", str(tmp_path / "lent"))
    with KubeCluster("a") as cluster, Kubelet(cluster):
        config = kubeconfig_with_files(tmp_path, {"a": cluster})
        said = demo(kubeconfig=config)
        assert "There is one context" in said
        assert '"readyStatus":"Ready"' in said
        assert brought(cluster) == {"ConfigMap", "Deployment", "Service", "StatefulSet"}
        said = demo("terminate", kubeconfig=config)
        assert "Taking back" in said and "nothing of it is left on the clusters" in said
        assert brought(cluster) == set()
        assert not (tmp_path / "demo").exists()


def split(file, folder):
    return subprocess.run([SOURCE / "demo" / "kube", "split", file, folder], text=True, timeout=60, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)


def test_each_context_becomes_a_kubeconfig_that_needs_no_files(tmp_path):
    (tmp_path / "ca.crt").write_text("authority")
    (tmp_path / "token").write_text("secret\n")
    config = tmp_path / "config"
    config.write_text(yaml.safe_dump({
        "contexts": [{"name": "me@a/b", "context": {"cluster": "c", "user": "file"}},
                     {"name": "me@a:b", "context": {"cluster": "c", "user": "inline", "namespace": "n"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1", "certificate-authority": "ca.crt"}}],
        "users": [{"name": "file", "user": {"tokenFile": str(tmp_path / "token")}},
                  {"name": "inline", "user": {"token": "t", "tokenFile": "not-there"}}]}))
    done = split(config, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "me-a-b\tme@a/b\thttps://192.0.2.1\nme-a-b-2\tme@a:b\thttps://192.0.2.1\n"
    first, second = (json.loads((tmp_path / "out" / name).read_text()) for name in ("me-a-b", "me-a-b-2"))
    assert first["clusters"] == [{"name": "c", "cluster": {"server": "https://192.0.2.1",
                                                           "certificate-authority-data": "YXV0aG9yaXR5"}}]
    assert first["users"] == [{"name": "file", "user": {"token": "secret"}}]
    assert first["current-context"] == "me@a/b" and len(first["contexts"]) == 1
    assert second["users"] == [{"name": "inline", "user": {"token": "t"}}]
    assert second["contexts"][0]["context"]["namespace"] == "n"
    assert (tmp_path / "out" / "me-a-b").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text, said", [
    ("contexts: [", "could not read the kubeconfig"),
    ("kind: Config\n", "is no kubeconfig with contexts: each context becomes a cluster"),
    ("contexts: [{name: x, context: {cluster: c}}]\n", 'the kubeconfig has no cluster "c", which one of its contexts names'),
    ("contexts: [{name: x, context: {cluster: c}}]\nclusters: [{name: c, cluster: {certificate-authority: gone}}]\n",
     'context "x" of'),
])
def test_what_is_no_usable_kubeconfig_is_said_in_a_sentence(tmp_path, text, said):
    (tmp_path / "config").write_text(text)
    done = split(tmp_path / "config", tmp_path / "out")
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr
