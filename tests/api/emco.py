"""What the tests say to emcod, in EMCO's words, and what they read from a Git remote."""
import io
import json
import pathlib
import subprocess
import tarfile
import threading
import time

import requests


def definition(kind, group):
    """A custom resource definition that takes anything, for the plural of kind."""
    singular = kind.lower()
    return f"""apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {singular}s.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{kind: {kind}, plural: {singular}s, singular: {singular}}}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""


def named(name, **spec):
    return {"metadata": {"name": name}, **({"spec": spec} if spec else {})}


def archive(files):
    """A gzip-compressed tar: {path: text or bytes}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for path, content in files.items():
            content = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def chart(name, templates, values=""):
    files = {f"{name}/Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: 0.1.0\n", f"{name}/values.yaml": values or "{}\n"}
    files.update({f"{name}/templates/{path}": text for path, text in templates.items()})
    return archive(files)


def profile(values="{}\n", extra=None):
    files = {"manifest.yaml": "version: v1\ntype:\n  values: override.yaml\n", "override.yaml": values}
    files.update(extra or {})
    return archive(files)


JOB = """apiVersion: batch/v1
kind: Job
metadata: {name: init}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: busybox}]
"""
LIST = """apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: db-a}, data: {a: "1"}}
  - {apiVersion: v1, kind: ServiceAccount, metadata: {name: db-b}}
"""
CONFIG_MAP = """apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-%(name)s
data:
  text: {{ .Values.text | default "hello" | quote }}
"""

DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-%(name)s
spec:
  replicas: {{ .Values.replicas | default 1 }}
  selector:
    matchLabels: {app: %(name)s}
  template:
    metadata:
      labels: {app: %(name)s}
    spec:
      containers:
        - name: main
          image: {{ .Values.image | default "nginx:1.27" }}
"""


def simple_chart(name):
    return chart(name, {"map.yaml": CONFIG_MAP % {"name": name}, "deployment.yaml": DEPLOYMENT % {"name": name}})


class Client:
    """The REST API, with the paths below /v2/ and a deadline on every call."""

    check = staticmethod(lambda method, path, answer: None)      # of every answer: the tests of the API set it

    def __init__(self, url):
        self.base = url + "/v2/"
        self.http = requests.Session()

    def request(self, method, path, **arguments):
        arguments.setdefault("timeout", 60)
        answer = self.http.request(method, self.base + path, **arguments)
        self.check(method, path, answer)
        return answer

    def get(self, path, **arguments):
        return self.request("GET", path, **arguments)

    def post(self, path, body=None, **arguments):
        return self.request("POST", path, json=body, **arguments)

    def put(self, path, body=None, **arguments):
        return self.request("PUT", path, json=body, **arguments)

    def delete(self, path, **arguments):
        return self.request("DELETE", path, **arguments)

    def upload(self, path, body, content=None, method="POST", part="file", filename="filename", headers=None):
        parts = [("metadata", (None, json.dumps(body)))]
        if content is not None:
            parts.append((part, (filename, content)))
        return self.request(method, path, files=parts, headers=headers)

    def make(self, path, body=None, content=None):
        """Create, and insist on it."""
        answer = self.post(path, body) if content is None else self.upload(path, body, content)
        assert answer.status_code in (201, 202), f"POST {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.text.strip() else None


class Attempt(threading.Thread):
    """One POST in the background; `code` is the answer, or None when the connection broke."""

    def __init__(self, api, path):
        super().__init__()
        self.api, self.path, self.code = api, path, None
        self.start()

    def run(self):
        try:
            self.code = self.api.post(self.path).status_code
        except requests.RequestException:
            self.code = None


class Remote:
    """A bare Git repository that plays the remote of a cluster."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    @classmethod
    def create(cls, path):
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", path], check=True, timeout=30)
        return cls(path)

    def git(self, *arguments, check=True):
        done = subprocess.run(["git", "--git-dir", self.path, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=60, check=False)
        assert not check or done.returncode == 0, f"git {arguments}: {done.stderr}"
        return done.stdout

    def files(self):
        """{path: text} at the head of main, all of one commit."""
        head = self.head()
        listing = self.git("ls-tree", "-r", "--name-only", "-z", head) if head else ""
        return {path: self.git("show", f"{head}:{path}") for path in listing.split("\0") if path}

    def objects(self, cluster, app=None):
        """{file name: object} of the applications on a cluster."""
        prefix = f"clusters/{cluster}/context/"
        return {path.rsplit("/", 1)[1]: json.loads(text) for path, text in self.files().items()
                if path.startswith(prefix) and (app is None or f"/app/{app}/" in path)}

    def commits(self):
        return self.git("rev-list", "main", check=False).split()

    def head(self):
        """The commit of main; "": there is none."""
        return self.git("rev-parse", "--verify", "--quiet", "main", check=False).strip()

    def clone(self, folder):
        subprocess.run(["git", "clone", "--quiet", self.path, folder], check=True, timeout=60)
        return pathlib.Path(folder)

    def foreign_commit(self, folder, name="README.md", text="not ours\n"):
        """Somebody else's commit on main, through a clone."""
        clone = self.clone(folder)
        (clone / name).write_text(text)
        for command in (["add", name], ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "foreign"],
                        ["push", "-q", "origin", "HEAD:main"]):
            subprocess.run(["git", "-C", clone, *command], check=True, timeout=60)


class Scene:
    """The things a deployment needs, made over REST: clusters, project, cloud, applications, intents."""

    def __init__(self, api, name):
        self.api, self.name = api, name
        self.provider, self.project = f"{name}-p", f"{name}-x"
        self.version = f"projects/{self.project}/composite-apps/ca/v1"
        self.dig = f"{self.version}/deployment-intent-groups/dig"
        self.remotes = {}

    def clusters(self, remotes, labels=None, url=None, extra=()):
        """remotes: {cluster: Remote}; labels: {cluster: [label]}."""
        self.api.make("cluster-providers", named(self.provider))
        for cluster, remote in remotes.items():
            self.git_cluster(cluster, remote, (labels or {}).get(cluster, []), url, extra)
        return self

    def git_cluster(self, cluster, remote, labels=(), url=None, extra=()):
        self.remotes[cluster] = remote
        pairs = [{"url": url or str(remote.path)}, {"branch": "main"}, *extra]
        self.api.make(f"cluster-providers/{self.provider}/cluster-sync-objects", named(f"git-{cluster}", kv=pairs))
        body = named(cluster, gitOps={"gitOpsType": "fluxcd", "gitOpsReferenceObject": f"git-{cluster}",
                                      "gitOpsResourceObject": f"git-{cluster}"})
        answer = self.api.upload(f"cluster-providers/{self.provider}/clusters", body)
        assert answer.status_code == 201, answer.text
        for label in labels:
            self.api.make(f"cluster-providers/{self.provider}/clusters/{cluster}/labels", {"clusterLabel": label})
        return self

    def cloud(self):
        self.api.make("projects", named(self.project))
        clouds = f"projects/{self.project}/logical-clouds"
        self.api.make(clouds, named("lc", level="0"))
        for cluster in self.remotes:
            self.api.make(f"{clouds}/lc/cluster-references",
                          named(cluster, clusterProvider=self.provider, cluster=cluster))
        self.api.make(f"{clouds}/lc/instantiate")
        return self

    def apps(self, charts, profiles=None):
        """charts: {app: archive}."""
        self.api.make(f"projects/{self.project}/composite-apps", named("ca", compositeAppVersion="v1"))
        self.api.make(f"{self.version}/composite-profiles", named("cp"))
        for app, content in charts.items():
            self.api.make(f"{self.version}/apps", named(app), content)
            self.api.make(f"{self.version}/composite-profiles/cp/profiles", named(app, app=app),
                          (profiles or {}).get(app, profile()))
        return self

    def deployment(self, placements, intents=None, overrides=None, approve=True, **spec):
        """placements: {app: intent}; intents: {controller: intent name}, made by the caller; spec: what else it says."""
        self.api.make(f"{self.version}/deployment-intent-groups",
                      named("dig", compositeProfile="cp", version="r1", logicalCloud="lc",
                            overrideValues=overrides or [], **spec))
        self.api.make(f"{self.dig}/generic-placement-intents", named("gpi"))
        for app, intent in placements.items():
            self.api.make(f"{self.dig}/generic-placement-intents/gpi/app-intents", named(app, app=app, intent=intent))
        self.api.make(f"{self.dig}/intents", named("all", intent={"genericPlacementIntent": "gpi", **(intents or {})}))
        if approve:
            self.api.make(f"{self.dig}/approve")
        return self

    def profile(self, app, content):
        answer = self.api.upload(f"{self.version}/composite-profiles/cp/profiles/{app}", named(app, app=app), content, "PUT")
        assert answer.status_code in (200, 201), answer.text

    def by_label(self, label):
        return {"allOf": [{"clusterProvider": self.provider, "clusterLabel": label}]}

    def by_name(self, *clusters):
        return {"allOf": [{"clusterProvider": self.provider, "cluster": cluster} for cluster in clusters]}

    def any_of(self, *clusters):
        return {"anyOf": [{"clusterProvider": self.provider, "cluster": cluster} for cluster in clusters]}

    def status(self, query="status=deployed"):
        answer = self.api.get(f"{self.dig}/status?{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self, state, seconds=60):
        """The status once deployedStatus is state."""
        end = time.monotonic() + seconds
        while True:
            status = self.status()
            if status.get("deployedStatus") == state:
                return status
            assert time.monotonic() < end, f"deployedStatus is not {state} within {seconds} s: {status}"
            time.sleep(0.05)

    def instantiate(self, wait=True):
        answer = self.api.post(f"{self.dig}/instantiate")
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        return self.wait("Instantiated") if wait else None


class KubeScene(Scene):
    """Clusters with a kubeconfig; a cloud of level 0 puts objects into the namespace "default"."""

    def onboard(self, kubeconfigs, labels=("edge",)):
        self.api.make("cluster-providers", named(self.provider))
        for cluster, content in kubeconfigs.items():
            self.remotes[cluster] = None
            answer = self.api.upload(f"cluster-providers/{self.provider}/clusters", named(cluster), content)
            assert answer.status_code == 201, answer.text
            for label in labels:
                self.api.make(f"cluster-providers/{self.provider}/clusters/{cluster}/labels", {"clusterLabel": label})
        return self
