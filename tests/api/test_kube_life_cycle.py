"""The whole life of a deployment over three clusters, two real API servers and one behind Git: what is sent is what has changed."""
import collections
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kube"))

from conftest import SOURCE, wait_for  # noqa: E402
from emco import KubeScene, named, profile, simple_chart  # noqa: E402
from kube import ApiError, clusters_up  # noqa: E402

NO_FILES = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"            # Git's name of the tree with none
USER = "emcod-life"                           # the audit log tells its requests from everybody else's
WRITES = ["create", "update", "patch", "delete", "deletecollection"]


@pytest.fixture(scope="module")
def clusters():
    with clusters_up("emcod-life", "one", "two") as made:
        yield made


@pytest.fixture(scope="module")
def kubectl():
    return subprocess.run([SOURCE / "scripts" / "fetch-helm", "kubectl"], stdout=subprocess.PIPE, text=True, timeout=300,
                          check=True).stdout.strip()


class Life:
    """A scene, and who was asked to write what since the last look."""

    def __init__(self, scene, clusters, git, kubectl):
        self.scene, self.clusters, self.git, self.kubectl = scene, clusters, git, kubectl
        self.seen = {name: 0 for name in clusters}
        self.head = git.head()

    def sent(self):
        """{cluster: {"verb resource/name": how often}}, and the files that have changed behind Git, since it was last asked."""
        found = {}
        for name, cluster in self.clusters.items():
            entries = cluster.requests(USER, WRITES)
            found[name] = dict(collections.Counter(
                "{} {}/{}".format(entry["verb"], entry["objectRef"]["resource"], entry["objectRef"].get("name", ""))
                for entry in entries[self.seen[name]:]))
            self.seen[name] = len(entries)
        old, self.head = self.head, self.git.head()
        changed = self.git.git("diff", "--name-only", old or NO_FILES, "main").split() if old != self.head else []
        found["git"] = {path.rsplit("/", 1)[1] for path in changed if "/app/" in path}
        return found

    def shown(self, cluster):
        """What kubectl shows of deployments and maps that carry our label."""
        return subprocess.run([self.kubectl, "--kubeconfig", self.clusters[cluster].kubeconfig, "get", "--all-namespaces",
                               "deployments,configmaps", "--selector", "emco/deployment-id", "--output", "name"],
                              stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout.split()

    def check_shown(self, **apps):
        """apps: {cluster: the apps whose objects, and no others, are there}; what was taken away may take its moment."""
        for cluster, names in apps.items():
            want = sorted(f"{kind}/r1-{app}" for app in names.split() for kind in ("deployment.apps", "configmap"))
            wait_for(lambda cluster=cluster, want=want: sorted(self.shown(cluster)) == want, 30, f"{want} on {cluster}")

    def post(self, verb, body=None, text=None):
        answer = self.scene.api.post(f"{self.scene.dig}/{verb}", body)
        assert answer.status_code == 202, answer.text
        assert text is None or answer.text == text, answer.text

    def image(self, cluster):
        found = exists(self.clusters[cluster], "apps/v1/Deployment", "r1-web")
        return found and found["spec"]["template"]["spec"]["containers"][0]["image"]

    def git_image(self):
        found = self.git.objects(f"{self.scene.provider}+git", "web").get("r1-web+Deployment.yaml")
        return found and found["spec"]["template"]["spec"]["containers"][0]["image"]


def exists(cluster, kind, name):
    try:
        return cluster.get(kind, name)
    except ApiError as error:
        assert error.code == 404, error
        return None


@pytest.fixture
def life(api, unique, clusters, remote, kubectl):
    """web on all three, db on "one" and "two"."""
    git = remote("git")
    scene = KubeScene(api, unique)
    scene.onboard({name: pathlib.Path(cluster.user(USER)).read_bytes() for name, cluster in clusters.items()})
    scene.git_cluster("git", git)
    scene.cloud().apps({"web": simple_chart("web"), "db": simple_chart("db")}, {"web": profile("image: web:1\n"), "db": profile()})
    scene.deployment({"web": scene.by_name("one", "two", "git"), "db": scene.by_name("one", "two")})
    yield Life(scene, clusters, git, kubectl)
    for cluster in clusters.values():
        cluster.up()


def place(scene, app, *clusters):
    path = f"{scene.dig}/generic-placement-intents/gpi/app-intents"
    body = named(app, app=app, intent=scene.by_name(*clusters))
    answer = scene.api.put(f"{path}/{app}", body)
    assert answer.status_code in (200, 201), answer.text


def second_version(scene):
    """v2 of the composite app has another image for web, and no app more."""
    api, version = scene.api, scene.version[:-2] + "v2"
    api.make(f"projects/{scene.project}/composite-apps", named("ca", compositeAppVersion="v2"))
    api.make(f"{version}/composite-profiles", named("cp"))
    dig = f"{version}/deployment-intent-groups/next"
    api.make(f"{version}/deployment-intent-groups",
             named("next", compositeProfile="cp", version="r1", logicalCloud="lc", overrideValues=[]))
    api.make(f"{dig}/generic-placement-intents", named("gpi"))
    for app, values, places in (("web", "image: web:3\n", ("one", "git")), ("db", "{}\n", ("one", "two"))):
        api.make(f"{version}/apps", named(app), simple_chart(app))
        api.make(f"{version}/composite-profiles/cp/profiles", named(app, app=app), profile(values))
        api.make(f"{dig}/generic-placement-intents/gpi/app-intents", named(app, app=app, intent=scene.by_name(*places)))
    api.make(f"{dig}/intents", named("all", intent={"genericPlacementIntent": "gpi"}))
    api.make(f"{dig}/approve")
    return dig


def each(verb, *apps, kinds=("configmaps", "deployments")):
    """One request for each object of the apps."""
    return {f"{verb} {kind}/r1-{app}": 1 for app in apps for kind in kinds}


def test_each_step_of_a_life_sends_what_has_changed_once_and_nothing_else(life):
    scene, nothing = life.scene, {"one": {}, "two": {}, "git": set()}
    web_files = {"r1-web+ConfigMap.yaml", "r1-web+Deployment.yaml"}
    web_image = each("patch", "web", kinds=["deployments"])

    scene.instantiate()
    assert life.image("one") == life.image("two") == life.git_image() == "web:1"
    assert life.sent() == {"one": each("patch", "web", "db"), "two": each("patch", "web", "db"), "git": web_files}
    life.check_shown(one="web db", two="web db")
    life.post("update", text="2\n")
    scene.wait("Instantiated")
    assert life.sent() == nothing, "an update of nothing"

    # One app's image, one app more, one cluster less.
    scene.profile("web", profile("image: web:2\n"))
    place(scene, "web", "one", "git")
    scene.api.make(f"{scene.version}/apps", named("more"), simple_chart("more"))
    scene.api.make(f"{scene.version}/composite-profiles/cp/profiles", named("more", app="more"), profile())
    scene.api.make(f"{scene.dig}/generic-placement-intents/gpi/app-intents", named("more", app="more", intent=scene.by_name("one")))
    life.post("update", text="3\n")
    scene.wait("Instantiated")
    wait_for(lambda: life.image("two") is None, 60, "web to leave the cluster that was dropped")
    assert life.image("one") == life.git_image() == "web:2" and exists(life.clusters["one"], "v1/ConfigMap", "r1-more")
    third = {"one": web_image | each("patch", "more"), "two": each("delete", "web"), "git": {"r1-web+Deployment.yaml"}}
    assert life.sent() == third
    life.check_shown(one="web db more", two="db")

    # Back to each revision.
    life.post("rollback", {"spec": {"revision": "1"}}, "4\n")
    scene.wait("Instantiated")
    wait_for(lambda: exists(life.clusters["one"], "v1/ConfigMap", "r1-more") is None, 60, "the app that was not there to go")
    assert life.image("one") == life.image("two") == life.git_image() == "web:1"
    assert life.sent() == {"one": web_image | each("delete", "more"), "two": each("patch", "web"), "git": {"r1-web+Deployment.yaml"}}
    life.check_shown(one="web db", two="web db")
    life.post("rollback", {"spec": {"revision": 2}}, "5\n")
    scene.wait("Instantiated")
    assert life.sent() == nothing, "revision 2 was the same as 1"
    life.post("rollback", {"spec": {"revision": 3}}, "6\n")
    scene.wait("Instantiated")
    wait_for(lambda: life.image("two") is None, 60, "web to leave again")
    assert life.image("one") == life.git_image() == "web:2" and exists(life.clusters["one"], "v1/ConfigMap", "r1-more")
    assert life.sent() == third, "what the update to it sent"
    life.check_shown(one="web db more", two="db")

    # Another version: web's image, and "more" is no app of it.
    source, context = scene.dig, scene.status()["states"]["statusctxid"]
    target = second_version(scene)
    life.post("migrate", {"spec": {"targetCompositeAppVersion": "v2", "targetDeploymentIntentGroup": "next"}}, "")
    scene.dig = target
    status = scene.wait("Instantiated")
    assert status["states"]["statusctxid"] == context
    wait_for(lambda: exists(life.clusters["one"], "v1/ConfigMap", "r1-more") is None, 60, "the app that v2 has not to go")
    assert life.image("one") == life.git_image() == "web:3"
    assert life.sent() == {"one": web_image | each("delete", "more"), "two": {}, "git": {"r1-web+Deployment.yaml"}}
    assert scene.api.get(f"{source}/status?status=deployed").json()["states"]["actions"][-1]["state"] == "Updated"
    life.check_shown(one="web db", two="db")

    # Stopped before a cluster that does not answer; the rest is gone when it does.
    life.clusters["two"].pause()
    try:
        life.post("terminate")
        wait_for(lambda: life.image("one") is None and life.git_image() is None, 60, "the clusters that answer")
        life.post("stop")
        assert scene.status()["deployedStatus"] == "TerminateFailed"
        assert scene.api.delete(scene.dig).status_code == 409
    finally:
        life.clusters["two"].resume()
    life.post("terminate")
    scene.wait("Terminated")
    assert exists(life.clusters["two"], "v1/ConfigMap", "r1-db") is None
    assert life.sent() == {"one": each("delete", "web", "db"), "two": each("delete", "db"), "git": web_files}
    life.check_shown(one="", two="")
    assert life.git.files() == {}
