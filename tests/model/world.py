"""Two real clusters, the way emcod reaches them, and what somebody with kubectl sees and does there."""
import os

import charts
from kube import ApiError, KubeCluster
from fault_proxy import FaultProxy

GOING = "must not be there"
FOREIGN = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "default"}}


class Cluster:
    """One API server.  "direct" is reached as it is, "proxied" through the proxy that breaks things."""

    def __init__(self, name, folder, seed):
        self.name = name
        self.kube = KubeCluster(f"emcod-model-{os.getpid()}-{name}").up()
        self.proxy = FaultProxy(folder / name, self.kube.kubeconfig, seed) if name == "proxied" else None
        self.lost = None
        self.is_disturbed = False                # faults are on
        self.foreign = {}                        # {name: resourceVersion}
        self.put_foreign("foreign-plain")
        self.put_foreign("foreign-labelled", {charts.LABEL: "1-foreign"})

    def kubeconfig(self):
        return self.proxy.kubeconfig() if self.proxy else open(self.kube.kubeconfig, "rb").read()

    def close(self):
        if self.proxy:
            self.proxy.close()
        self.kube.resume()
        self.kube.down()

    # Loss.

    def losses(self):
        return ("refuse", "silence") if self.proxy else ("pause", "kill")

    def lose(self, how):
        self.lost = how
        if how == "pause":
            self.kube.pause()
        elif how == "kill":
            self.kube.kill(["kube-apiserver"])
        else:
            self.proxy.lose(how)

    def come_back(self):
        """The cluster answers again, and nothing is broken on the way to it."""
        if self.lost == "pause":
            self.kube.resume()
        elif self.lost == "kill":
            self.kube.up()                    # at the same address, or it fails
        if self.proxy:
            self.proxy.calm()
        self.lost, self.is_disturbed = None, False

    # What somebody else does there.

    def put_foreign(self, name, labels=None, text="theirs"):
        document = {**FOREIGN, "metadata": {**FOREIGN["metadata"], "name": name, "labels": labels or {}}, "data": {"text": text}}
        self.foreign[name] = self.kube.apply(document, manager="somebody")["metadata"]["resourceVersion"]

    def strip(self, kind, namespace, name):
        self.kube.patch(kind, name, {"metadata": {"labels": {charts.LABEL: None}}}, namespace)

    def change(self, kind, namespace, name):
        self.kube.patch(kind, name, charts.CHANGES[kind], namespace)

    def delete(self, kind, namespace, name):
        self.kube.delete(kind, name, namespace)

    # What is seen there.

    def labelled(self):
        """{(kind, namespace, name): (label, facts)} of everything that carries the label, but for what controllers made of it."""
        found = {}
        for kind, facts in charts.FACTS.items():
            try:
                items = self.kube.list(kind, None, charts.LABEL)
            except LookupError:
                continue                         # the definition is not there yet
            except ApiError as error:
                if error.code != 404:
                    raise
                continue
            for item in items:
                metadata = item["metadata"]
                if metadata["name"] not in self.foreign:
                    found[kind, metadata.get("namespace", ""), metadata["name"]] = (metadata["labels"][charts.LABEL], facts(item))
        return found

    def descendants(self, orphans_too=True):
        """What controllers have made of labelled objects, and have not cleared away yet; or only what has an owner still."""
        found = [(kind, item) for kind in ("apps/v1/ReplicaSet", "v1/Pod") for item in self.kube.list(kind, None, charts.LABEL)]
        return [f"{self.name}: {kind} {item['metadata']['name']}, of {item['metadata'].get('ownerReferences', 'nobody')}"
                for kind, item in found if orphans_too or not self._is_orphan(item)]

    def _is_orphan(self, item):
        """Made by a controller for an object that is not there any more, or is an orphan itself: the cluster's collector has to take it."""
        metadata = item["metadata"]
        owners = metadata.get("ownerReferences", [])
        there = [self.kube.get(f"{owner['apiVersion']}/{owner['kind']}", owner["name"], metadata["namespace"]) for owner in owners]
        return bool(owners) and all(found is None or found["metadata"]["uid"] != owner["uid"] or self._is_orphan(found)
                                    for owner, found in zip(owners, there))

    def differences(self, owed):
        """What is not as it is owed, a line each."""
        found, lines = self.labelled(), []
        for key in sorted(owed.keys() | found.keys()):
            where = f"{self.name}: {' '.join(key)}"
            if key not in found:
                lines.append(f"{where} is missing")
            elif key not in owed:
                lines.append(f"{where} {GOING}; it carries {found[key][0]}")
            elif found[key][0] != owed[key][0]:
                lines.append(f"{where} carries {found[key][0]}, expected {owed[key][0]}")
            elif found[key][1] != owed[key][1]:
                lines.append(f"{where} is {found[key][1]}, expected {owed[key][1]}")
        for name, version in self.foreign.items():
            item = self.kube.get("v1/ConfigMap", name)
            if item is None or item["metadata"]["resourceVersion"] != version:
                lines.append(f"{self.name}: the foreign {name} was touched")
        return lines


RSYNC = """plugin = "rsync";
options = {
  retry_min_ms = 50; retry_max_ms = 400; retry_failed_ms = 300;
  remote_timeout_ms = 1000; lease_ms = 5000; wait_limit_ms = 3000; patience_ms = 100;
  immutable = "%s";
};
"""


def rsync_of(seed):
    """Half of the seeds run with each way of treating what cannot be changed."""
    return RSYNC % ("replace" if seed % 2 else "refuse")

