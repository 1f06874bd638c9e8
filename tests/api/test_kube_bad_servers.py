"""Clusters that cannot be reached as their kubeconfig says: the status names it, and work goes on once it is corrected."""
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kube"))

import bad_server  # noqa: E402
from bad_server import Authority, BadServer  # noqa: E402
from conftest import Daemon, free_port, wait_for  # noqa: E402
from emco import KubeScene, chart, named, profile  # noqa: E402
from kube import KubeCluster  # noqa: E402

TOKEN = "token-" + uuid.uuid4().hex
GOES_ON_S = 15
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s-%d}\ndata: {text: hello}\n"

# The pauses between tries are those of a real server: minutes.  Nothing here may wait for one.
CONTROLLERS = {
    "rsync": 'plugin = "rsync";\noptions = { remote_timeout_ms = 5000; lease_ms = 10000; };\n',
    "nearest": 'plugin = "placement-nearest";\nname = "nearest";\n',
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, postgres, helm):
    server = Daemon(tmp_path_factory.mktemp("emcod"), postgres, helm, controllers=CONTROLLERS).start()
    yield server
    status = server.stop()
    assert status == 0, f"emcod stopped with {status}: {server.tail(60)}"
    log = server.log.read_text()
    assert TOKEN not in log, "a bearer token stands in the log"
    assert "PRIVATE KEY" not in log


@pytest.fixture(scope="module")
def kube():
    with KubeCluster(f"emcod-bad-{os.getpid()}") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def good(kube):
    return pathlib.Path(kube.user("emcod")).read_bytes()


class Kit:
    """What a bad kubeconfig is made of; servers end with the test."""

    def __init__(self, kube, authority):
        self.kube, self.authority = kube, authority
        self.servers = []

    def serve(self, habit, tls=None):
        self.servers.append(BadServer(habit, tls))
        return self.servers[-1]

    def close(self):
        for server in self.servers:
            server.__exit__()

    def tls(self, habit, alternative="IP:127.0.0.1"):
        server = self.serve(habit, self.authority.context("server", alternative))
        return bad_server.kubeconfig(f"https://127.0.0.1:{server.port}", TOKEN, self.authority.certificate)

    def plain(self, habit):
        server = self.serve(habit)
        return bad_server.kubeconfig(f"https://127.0.0.1:{server.port}", TOKEN, self.authority.certificate)

    def bad(self, kind):
        return pathlib.Path(self.kube.kubeconfig_of(kind)).read_bytes()

    def redirect(self):
        self.target = self.serve(bad_server.echo)
        return self.tls(bad_server.redirect_to(f"http://127.0.0.1:{self.target.port}"))

    def refused(self):
        return bad_server.kubeconfig(f"https://127.0.0.1:{free_port()}", TOKEN, self.authority.certificate)

    def unresolved(self):
        """A name that does not resolve: the top level "invalid" is reserved for that."""
        return bad_server.kubeconfig("https://edge.invalid:6443", TOKEN, self.authority.certificate)


@pytest.fixture
def kit(kube, authority):
    made = Kit(kube, authority)
    yield made
    made.close()


def scene_of(api, name, kubeconfig, templates):
    scene = KubeScene(api, name).onboard({"one": kubeconfig})
    scene.cloud().apps({"web": chart("web", templates)})
    return scene.deployment({"web": scene.by_label("edge")})


def place(scene, query="status=deployed"):
    return scene.status(query)["apps"][0]["clusters"][0]


def complaint(scene):
    """What the deployment's status says of its cluster, once it says something."""
    return wait_for(lambda: (lambda p: p if p.get("error") else None)(place(scene)), 30, "an error in the status")


def correct(scene, kubeconfig):
    answer = scene.api.upload(f"cluster-providers/{scene.provider}/clusters/one", named("one"), kubeconfig, "PUT")
    assert answer.status_code in (200, 201), answer.text


def expect_done(scene, kube, objects):
    """Instantiated by itself, soon; then taken away."""
    begun = time.monotonic()
    scene.wait("Instantiated", GOES_ON_S)
    print(f"went on after {time.monotonic() - begun:.1f} s")
    assert "error" not in place(scene), place(scene)
    for name in objects:
        assert kube.get("v1/ConfigMap", name), name
    wait_for(lambda: place(scene)["connectivity"] == "Available" and scene.status("status=ready").get("readyStatus") == "Ready",
             GOES_ON_S, "the sight of the cluster")
    scene.api.make(f"{scene.dig}/terminate")
    scene.wait("Terminated")
    for name in objects:
        assert kube.get("v1/ConfigMap", name) is None, name


CHECK = 'check "server" of the kubeconfig'
CASES = {
    "wrong_ca": (lambda kit: kit.bad("wrong-ca"), "Retrying", ["certificate", "Compare certificate-authority-data"]),
    "expired_certificate": (lambda kit: kit.bad("expired"), "Available",
                            ["client certificate or token of the kubeconfig", "may have expired", "Unauthorized"]),
    "certificate_of_another_host": (lambda kit: kit.tls(bad_server.web_page, "DNS:other.example"), "Retrying",
                                    ["127.0.0.1", "Compare certificate-authority-data and server"]),
    "no_http": (lambda kit: kit.tls(bad_server.garbage), "Retrying", ["does not speak HTTP", CHECK]),
    "no_tls": (lambda kit: kit.plain(bad_server.web_page), "Retrying", ["does not speak TLS", CHECK]),
    "garbage": (lambda kit: kit.plain(bad_server.garbage), "Retrying", ["does not speak TLS", CHECK]),
    "web_page": (lambda kit: kit.tls(bad_server.web_page), "Available", ["no list of kinds", CHECK]),
    "no_list": (lambda kit: kit.tls(bad_server.no_list), "Available", ["no list of kinds", CHECK]),
    "redirect": (Kit.redirect, "Available", ["redirects to http://127.0.0.1", "not followed", CHECK]),
    "echo": (lambda kit: kit.tls(bad_server.echo), "Available", ["bad gateway for"]),
    "refused": (Kit.refused, "Retrying", ["could not connect: Connection refused", "Check that the API server runs"]),
    "no_such_name": (Kit.unresolved, "Retrying", ["edge.invalid", "Check the name"]),
    "black_hole": (lambda kit: kit.plain(bad_server.silent), "Retrying", ["It did not answer in time", "check that it runs"]),
    "endless_answer": (lambda kit: kit.tls(bad_server.endless), "Available", ["timed out", "bytes received"]),
    "huge_answer": (lambda kit: kit.tls(bad_server.huge), "Available", ["more than 67108864 bytes", CHECK]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_server_is_named_and_work_goes_on_when_it_is_corrected(api, unique, kit, kube, good, case):
    make, connectivity, words = CASES[case]
    scene = scene_of(api, unique, make(kit), {"map.yaml": "\n---\n".join(MAP % (unique, i) for i in range(3))})
    scene.instantiate(wait=False)
    found = complaint(scene)
    print(found["error"])
    for word in words:
        assert word in found["error"], found["error"]
    assert found["connectivity"] == connectivity
    for query in ("status=deployed", "status=ready", "status=deployed&output=detail"):
        assert TOKEN not in json.dumps(scene.status(query)), query
    if case == "redirect":
        assert kit.target.heads == [], "the redirect was followed"
    if case == "echo":
        assert TOKEN.encode() in kit.servers[0].heads[0], "the server had nothing to repeat"
    correct(scene, good)
    expect_done(scene, kube, [f"{unique}-{i}" for i in range(3)])


def trusting(folder, authority):
    """A way to start emcod on a system whose folder of authorities holds `authority`: only emcod sees it there."""
    trusted = folder / "authorities"
    trusted.mkdir()
    (trusted / "ca.pem").write_bytes(authority.certificate)
    subprocess.run(["openssl", "rehash", trusted], check=True, timeout=30)
    start = folder / "start"
    start.write_text("#!/bin/sh\nexec unshare --mount %s sh -c 'mount --bind \"$0\" /etc/ssl/certs && exec \"$@\"' %s %s \"$@\"\n"
                     % ("" if os.geteuid() == 0 else "--map-root-user", shlex.quote(str(trusted)), shlex.quote(str(Daemon.binary))))
    start.chmod(0o755)
    return start


def test_what_the_system_trusts_counts_for_nothing_where_a_kubeconfig_names_an_authority(make_daemon, tmp_path, unique, kube, kit, authority):
    server = make_daemon(controllers=CONTROLLERS)
    server.binary = trusting(tmp_path, authority)
    server.start()
    other = Authority(tmp_path, "another")
    meeting = kit.serve(bad_server.web_page, authority.context("server"))
    scene = scene_of(server.client(), unique, bad_server.kubeconfig(f"https://127.0.0.1:{meeting.port}", TOKEN, other.certificate),
                     {"map.yaml": MAP % (unique, 0)})
    scene.instantiate(wait=False)
    assert "Compare certificate-authority-data" in complaint(scene)["error"]
    assert meeting.heads == [], "the token went to a server that the kubeconfig's authority does not vouch for"


def test_a_user_without_permissions_is_told_in_the_servers_words(api, unique, kube, kit, good):
    scene = scene_of(api, unique, kit.bad("nobody"), {"map.yaml": MAP % (unique, 0)})
    scene.instantiate(wait=False)
    found = complaint(scene)
    assert f'configmaps "{unique}-0" is forbidden: User "nobody" cannot patch resource "configmaps"' in found["error"]
    assert found["connectivity"] == "Available"
    assert scene.status()["deployedStatus"] == "InstantiateFailed"
    correct(scene, good)
    expect_done(scene, kube, [f"{unique}-0"])


def test_an_unknown_kind_is_waited_for(api, unique, kube, good):
    group = f"{unique}.test"
    scene = scene_of(api, unique, good, {
        "map.yaml": MAP % (unique, 0), "lamp.yaml": f"apiVersion: {group}/v1\nkind: Lamp\nmetadata: {{name: l}}\nspec: {{watts: 5}}\n"})
    scene.instantiate(wait=False)
    found = complaint(scene)
    assert f'the cluster knows no kind "Lamp" in "{group}/v1"' in found["error"]
    assert "install its CustomResourceDefinition" in found["error"]
    assert found["connectivity"] == "Available"
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"lamps.{group}"},
                  "spec": {"group": group, "scope": "Namespaced", "names": {"plural": "lamps", "singular": "lamp", "kind": "Lamp"},
                           "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                               "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}
    kube.apply(definition)
    expect_done(scene, kube, [f"{unique}-0"])
    kube.delete("apiextensions.k8s.io/v1/CustomResourceDefinition", f"lamps.{group}")


def test_a_deployment_that_is_there_survives_a_bad_kubeconfig(api, unique, kube, kit, good):
    """Bad credentials after the fact: what is there stays, an update waits, and goes on with the next good ones."""
    scene = scene_of(api, unique, good, {"map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s-0}\n"
                                                     "data: {text: {{ .Values.text | default \"one\" }}}\n" % unique})
    scene.instantiate()
    before = kube.get("v1/ConfigMap", f"{unique}-0")["metadata"]["uid"]
    correct(scene, kit.bad("wrong-ca"))
    assert scene.status()["deployedStatus"] == "Instantiated", "nothing is to be done, so nothing fails"
    wait_for(lambda: place(scene, "status=ready")["connectivity"] == "Retrying", 60, "the loss of the sight")
    scene.profile("web", profile("text: two\n"))
    scene.api.make(f"{scene.dig}/update")
    assert "Compare certificate-authority-data" in complaint(scene)["error"]
    correct(scene, good)
    wait_for(lambda: kube.get("v1/ConfigMap", f"{unique}-0")["data"] == {"text": "two"}, GOES_ON_S, "the update")
    assert kube.get("v1/ConfigMap", f"{unique}-0")["metadata"]["uid"] == before
    expect_done(scene, kube, [f"{unique}-0"])
