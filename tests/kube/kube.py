"""A real Kubernetes API for tests: clusters made by the script `cluster`, and a small client for them.

A kind is written with its API version, "v1/ConfigMap" or "apps/v1/Deployment".  There is no kubelet: pods stay Pending
until make_pods_ready() or a Kubelet says otherwise; all else is done by the real controllers.
"""
import base64
import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time

import requests
import yaml

SCRIPT = pathlib.Path(__file__).with_name("cluster")
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class ApiError(Exception):
    """What the API server refused, in its own words."""

    def __init__(self, method, path, answer):
        self.code = answer.status_code
        try:
            status = answer.json()
        except ValueError:
            status = {}
        self.reason = status.get("reason")
        self.message = status.get("message", answer.text)
        super().__init__(f"{method} {path}: {self.code} {self.reason}: {self.message}")


def wait_for(condition, seconds=60, what="the condition"):
    """The first true value of condition(); an AssertionError when it does not come in time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not hold within {seconds} s"
        time.sleep(0.05)


class KubeClient:
    """Requests with what a kubeconfig of one context embeds.  Discovery is read once, and again for kinds not known yet."""

    def __init__(self, kubeconfig, user_agent="test"):
        config = yaml.safe_load(pathlib.Path(kubeconfig).read_text())
        cluster, user = config["clusters"][0]["cluster"], (config.get("users") or [{"user": {}}])[0]["user"]
        self.kubeconfig = str(kubeconfig)
        self.server = cluster["server"]
        self._folder = tempfile.TemporaryDirectory(prefix="emcod-kube-client-")
        self._resources = {}
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = user_agent
        if "certificate-authority-data" in cluster:
            self._session.verify = self._file("ca.crt", cluster["certificate-authority-data"])
        if "client-certificate-data" in user:
            self._session.cert = (self._file("user.crt", user["client-certificate-data"]),
                                  self._file("user.key", user["client-key-data"]))
        if "token" in user:
            self._session.headers["Authorization"] = "Bearer " + user["token"]
        elif "username" in user:
            self._session.auth = (user["username"], user["password"])

    def _file(self, name, data):
        path = pathlib.Path(self._folder.name) / name
        path.write_bytes(base64.b64decode(data))
        return str(path)

    def close(self):
        self._session.close()
        self._folder.cleanup()

    def request(self, method, path, seconds=60, **arguments):
        """The answer, whatever its status is."""
        return self._session.request(method, self.server + path, timeout=seconds, **arguments)

    def call(self, method, path, **arguments):
        answer = self.request(method, path, **arguments)
        if not answer.ok:
            raise ApiError(method, path, answer)
        return answer.json()

    def _root(self, version):
        return ("/apis/" if "/" in version else "/api/") + version

    def _resource(self, kind):
        version, short = kind.rsplit("/", 1)
        if kind not in self._resources:
            for found in self.call("GET", self._root(version))["resources"]:
                if "/" not in found["name"]:
                    self._resources[f"{version}/{found['kind']}"] = (found["name"], found["namespaced"])
        if kind not in self._resources:
            raise LookupError(f"the cluster does not serve {short} in {version}")
        return self._resources[kind]

    def is_namespaced(self, kind):
        return self._resource(kind)[1]

    def path(self, kind, name=None, namespace=None):
        """The URL path of an object, or of its collection: that of all namespaces when none is named."""
        root = self._root(kind.rsplit("/", 1)[0])
        plural, is_namespaced = self._resource(kind)
        path = root
        if is_namespaced and namespace:
            path += f"/namespaces/{namespace}"
        path += f"/{plural}"
        return f"{path}/{name}" if name else path

    def get(self, kind, name, namespace="default"):
        """The object, or None when there is none."""
        try:
            return self.call("GET", self.path(kind, name, namespace))
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    def list(self, kind, namespace=None, selector=""):
        return self.call("GET", self.path(kind, None, namespace), params={"labelSelector": selector})["items"]

    def labelled(self, selector):
        """All objects that carry the labels, of every kind the cluster lists: each once, in one of the versions it is served in."""
        roots = ["/api/v1"] + ["/apis/" + group["preferredVersion"]["groupVersion"] for group in self.call("GET", "/apis")["groups"]]
        found = {}
        for root in roots:
            version = root.split("/", 2)[2]
            for served in self.call("GET", root)["resources"]:
                if "list" in served["verbs"] and "/" not in served["name"]:
                    for item in self.call("GET", f"{root}/{served['name']}", params={"labelSelector": selector})["items"]:
                        found.setdefault(item["metadata"]["uid"], {"apiVersion": version, "kind": served["kind"], **item})
        return sorted(found.values(), key=lambda item: (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]))

    def create(self, document):
        return self.call("POST", self._path_of(document, collection=True), json=document)

    def apply(self, document, manager="test", force=False):
        """Server-side apply."""
        return self.call("PATCH", self._path_of(document), data=json.dumps(document),
                         params={"fieldManager": manager, "force": str(force).lower()},
                         headers={"Content-Type": PATCH_TYPES["apply"]})

    def patch(self, kind, name, change, namespace="default", patch_type="merge", part=""):
        return self.call("PATCH", self.path(kind, name, namespace) + part, data=json.dumps(change),
                         headers={"Content-Type": PATCH_TYPES[patch_type]})

    def patch_status(self, kind, name, status, namespace="default", patch_type="merge"):
        return self.patch(kind, name, {"status": status}, namespace, patch_type, part="/status")

    def delete(self, kind, name, namespace="default", policy="Background"):
        """False when there was nothing to delete.  Finalizers may keep it for a while: see wait_gone."""
        try:
            self.call("DELETE", self.path(kind, name, namespace), json={"propagationPolicy": policy})
        except ApiError as error:
            if error.code != 404:
                raise
            return False
        return True

    def wait_gone(self, kind, name, namespace="default", seconds=60):
        wait_for(lambda: self.get(kind, name, namespace) is None, seconds, f"the end of {kind} {name}")

    def _path_of(self, document, collection=False):
        metadata = document["metadata"]
        return self.path(f"{document['apiVersion']}/{document['kind']}", None if collection else metadata["name"],
                         metadata.get("namespace", "default"))

    # What a kubelet would do.

    def make_node(self, name="node-1"):
        """A node that is ready, for DaemonSets: their controller makes a pod for each."""
        self.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})
        self.patch("v1/Node", name, {"spec": {"taints": None}})
        return self.patch_status("v1/Node", name, {
            "conditions": [dict(_condition("Ready", True), reason="KubeletReady", message="test")],
            "capacity": {"cpu": "8", "memory": "16Gi", "pods": "110"},
            "allocatable": {"cpu": "8", "memory": "16Gi", "pods": "110"}})

    def set_pod(self, pod, phase="Running", ready=True):
        """Phases Succeeded and Failed end the pod's containers, which is how a Job comes to its end."""
        ended = phase in ("Succeeded", "Failed")
        ready = ready and phase == "Running"
        state = {"running": {"startedAt": _now()}} if not ended else {
            "terminated": {"exitCode": 0 if phase == "Succeeded" else 1, "startedAt": _now(), "finishedAt": _now()}}
        uid = pod["metadata"]["uid"]
        address = "10.1.%d.%d" % (int(uid[:2], 16), int(uid[2:4], 16))
        return self.patch_status("v1/Pod", pod["metadata"]["name"], {
            "phase": phase, "podIP": address, "podIPs": [{"ip": address}], "startTime": _now(),
            "conditions": [_condition("Initialized", True), _condition("PodScheduled", True),
                           _condition("ContainersReady", ready), _condition("Ready", ready)],
            "containerStatuses": [
                {"name": c["name"], "image": c["image"], "imageID": "", "ready": ready, "started": not ended,
                 "restartCount": 0, "state": state} for c in pod["spec"]["containers"]],
        }, pod["metadata"]["namespace"])

    def make_pods_ready(self, namespace=None, selector="", count=1, phase="Running", ready=True, seconds=60):
        """Wait until there are at least `count` pods, then set them all to ready (or to another phase)."""
        def enough():
            pods = [p for p in self.list("v1/Pod", namespace, selector) if "deletionTimestamp" not in p["metadata"]]
            return pods if len(pods) >= count else None
        return [self.set_pod(pod, phase, ready) for pod in wait_for(enough, seconds, f"{count} pods")]

    # What was sent.

    def metrics(self):
        """apiserver_request_total as {(verb, resource): count}, of everybody: the controllers included."""
        counts = collections.Counter()
        for line in self.request("GET", "/metrics").text.splitlines():
            if line.startswith("apiserver_request_total{"):
                labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
                counts[labels["verb"], labels["resource"]] += int(float(line.rsplit(" ", 1)[1]))
        return counts


def _now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _condition(kind, holds):
    return {"type": kind, "status": "True" if holds else "False", "lastTransitionTime": _now()}


@contextlib.contextmanager
def clusters_up(prefix, *names):
    """{name: KubeCluster} of clusters that come up side by side."""
    made = {name: KubeCluster(f"{prefix}-{name}-{os.getpid()}") for name in names}
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(KubeCluster.up, made.values()))
        yield made
    finally:
        for cluster in made.values():
            cluster.down()


class KubeCluster(KubeClient):
    """One cluster, with its administrator's client.  It goes down with the process that made it, at the latest."""

    def __init__(self, name):
        self.name = name
        self.folder = pathlib.Path(os.environ.get("EMCO_KUBE_DIR", f"/tmp/emcod-kube-{os.geteuid()}")) / name

    def _script(self, *arguments, seconds=2400):
        done = subprocess.run([SCRIPT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=seconds, check=False)
        assert done.returncode == 0, f"cluster {' '.join(arguments)}: {done.stderr}"
        return (done.stdout.strip().splitlines() or [""])[-1]

    def up(self):
        before = getattr(self, "server", None)
        if before is not None:
            self.close()
        super().__init__(self._script("up", self.name, "--until", str(os.getpid())))
        assert before in (None, self.server), f"{before} was taken while {self.name} was down: its kubeconfigs are void"
        return self

    def down(self):
        if hasattr(self, "_session"):
            self.close()
            self.server = None
        self._script("down", self.name, seconds=180)

    def __enter__(self):
        return self.up()

    def __exit__(self, *_):
        self.down()

    def kubeconfig_of(self, kind):
        """"nobody", "expired" or "wrong-ca": the path of a kubeconfig that does not work."""
        return self._script("kubeconfig", self.name, f"--{kind}", seconds=60)

    def user(self, name, permissions=True):
        """The path of a kubeconfig: every component under test should have a user of its own, see requests()."""
        return self._script("user", self.name, name, *([] if permissions else ["--no-permissions"]), seconds=60)

    @property
    def has_controllers(self):
        return self.pid("kube-controller-manager") is not None

    def pid(self, program):
        """The process that the pid file names, or None when it does not live."""
        try:
            pid, started = map(int, (self.folder / f"{program}.pid").read_text().split())
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, ValueError):
            return None
        return pid if fields[0] != "Z" and int(fields[19]) == started else None

    def signal(self, number, programs=PROGRAMS):
        for program in programs:
            pid = self.pid(program)
            if pid is not None:
                os.kill(pid, number)

    def kill(self, programs=PROGRAMS):
        """kill -9: up() brings it back with its data."""
        self.signal(signal.SIGKILL, programs)
        wait_for(lambda: not any(map(self.pid, programs)), 30, "the end of the processes")

    def pause(self):
        """A cluster that accepts connections and answers nothing, until resume()."""
        self.signal(signal.SIGSTOP, ["kube-apiserver"])

    def resume(self):
        self.signal(signal.SIGCONT, ["kube-apiserver"])

    def requests(self, user=None, verbs=None, resource=None):
        """The audit log's entries about the requests that someone sent, oldest first; the controllers' are not in it.

        Verbs are get, list, watch, create, update, patch, delete and deletecollection.  A watch is listed when it starts.
        """
        found = {}
        for line in (self.folder / "audit.log").read_text().splitlines():
            entry = json.loads(line)
            if user is not None and entry["user"].get("username") != user:      # strangers have no name
                continue
            if verbs is not None and entry["verb"] not in verbs:
                continue
            if resource is not None and entry.get("objectRef", {}).get("resource") != resource:
                continue
            found.setdefault(entry["auditID"], entry)
        return list(found.values())


class Kubelet:
    """Makes every pod of a cluster ready, or done, as soon as it appears, while the `with` block runs: for rollouts."""

    def __init__(self, client, namespace=None, selector="", delay_s=0.0, phase="Running"):
        self.client = KubeClient(client.kubeconfig, user_agent="kubelet")
        self.namespace, self.selector, self.delay_s, self.phase = namespace, selector, delay_s, phase
        self.error = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubelet", daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(30)
        self.client.close()

    def _run(self):
        while not self._stop.wait(0.1):
            try:
                for pod in self.client.list("v1/Pod", self.namespace, self.selector):
                    if pod["status"].get("phase") == "Pending" and "deletionTimestamp" not in pod["metadata"]:
                        if self._stop.wait(self.delay_s):
                            return
                        self.client.set_pod(pod, self.phase)
            except (ApiError, requests.RequestException) as error:
                self.error = error            # a pod that went meanwhile, a cluster that was killed: the next round tells
