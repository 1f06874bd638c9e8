#!/usr/bin/python3
"""A Kubernetes API server in miniature, for tests: any kind, server-side apply with field ownership, watches, and faults.

    api_server.py PORT_FILE

It serves discovery, GET, LIST, WATCH, PATCH (apply) and DELETE as the real one does as far as a synchroniser can see, over
plain HTTP on loopback.  Lists are atomic for ownership.  Tests steer it below /_/ :

    POST /_/fault   {"method", "path" (a regular expression), "code", "reason", "message", "times", "delay"}; code 0: no answer
    POST /_/edit    {"path", "manager", "set": {"spec.replicas": 3}, "unset": ["data.x"]}   as somebody else
    POST /_/delete  {"path"}    POST /_/clear  forget faults
    POST /_/objects {path: object}    POST /_/log [[method, path], ...]  and forgets it
"""
import copy
import http.server
import json
import os
import re
import socketserver
import sys
import threading
import time
import urllib.parse
import uuid

KINDS = {   # (group/version): {kind: (plural, namespaced)}
    "v1": {"Namespace": ("namespaces", False), "ConfigMap": ("configmaps", True), "Secret": ("secrets", True),
           "Service": ("services", True), "ServiceAccount": ("serviceaccounts", True), "Pod": ("pods", True)},
    "apps/v1": {"Deployment": ("deployments", True), "StatefulSet": ("statefulsets", True)},
    "batch/v1": {"Job": ("jobs", True)},
    "rbac.authorization.k8s.io/v1": {"ClusterRole": ("clusterroles", False), "Role": ("roles", True)},
    "apiextensions.k8s.io/v1": {"CustomResourceDefinition": ("customresourcedefinitions", False)},
}
HISTORY = 1000


class Refusal(Exception):
    def __init__(self, code, reason, message, details=None):
        super().__init__(message)
        self.code, self.status = code, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                                        "message": message, "reason": reason, "code": code, **({"details": details} if details else {})}


def leaves(value, path=()):
    """{path: leaf} of an object; lists are leaves."""
    if isinstance(value, dict) and value:
        out = {}
        for key, item in value.items():
            out.update(leaves(item, path + (key,)))
        return out
    return {path: value}


def put(value, path, leaf):
    for key in path[:-1]:
        if not isinstance(value.get(key), dict):
            value[key] = {}
        value = value[key]
    value[path[-1]] = leaf


def cut(value, path):
    parents = []
    for key in path[:-1]:
        if not isinstance(value, dict) or key not in value:
            return
        parents.append((value, key))
        value = value[key]
    if isinstance(value, dict):
        value.pop(path[-1], None)
    for parent, key in reversed(parents):
        if parent[key] == {}:
            del parent[key]


def fields(paths):
    out = {}
    for path in sorted(paths):
        at = out
        for key in path:
            at = at.setdefault("f:" + key, {})
    return out


NOT_OWNED = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"), ("metadata",)}


class Server:
    def __init__(self):
        self.lock = threading.Condition()
        self.kinds = copy.deepcopy(KINDS)
        self.objects, self.owners = {}, {}      # path: object, path: {manager: set of leaf paths}
        self.makers = {}                        # path: the manager that made it, and has not applied since
        self.version, self.events = 1, []       # (version, type, path of collection, object)
        self.faults, self.log = [], []
        for name in ("default", "ns1", "kube-system"):
            self.create("/api/v1/namespaces/" + name,
                        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "apiserver")

    # -- state --

    def event(self, kind, path, value):
        with self.lock:
            self.events.append((self.version, kind, path.rsplit("/", 1)[0], copy.deepcopy(value)))
            del self.events[:-HISTORY]
            self.lock.notify_all()

    def stamp(self, path, kind):
        value = self.objects[path]
        self.version += 1
        value["metadata"]["resourceVersion"] = str(self.version)
        value["metadata"]["managedFields"] = [
            {"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields(paths),
             "time": value["metadata"]["creationTimestamp"] if manager == self.makers[path] else ""}
            for manager, paths in sorted(self.owners[path].items()) if paths]
        self.event(kind, path, value)

    def create(self, path, value, manager):
        value = copy.deepcopy(value)
        value["metadata"].update(uid=str(uuid.uuid4()), creationTimestamp=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        self.objects[path] = value
        self.makers[path] = manager
        self.owners[path] = {manager: {leaf for leaf in leaves(value) if leaf not in NOT_OWNED and leaf[:2] not in
                                       (("metadata", "uid"), ("metadata", "creationTimestamp"))}}
        if value["kind"] == "CustomResourceDefinition":
            self.serve(value)
        if "spec" in value:
            value["metadata"]["generation"] = 1
        self.stamp(path, "ADDED")
        return value

    def serve(self, crd):
        spec = crd["spec"]
        crd["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
        for version in spec["versions"]:
            kinds = self.kinds.setdefault(f'{spec["group"]}/{version["name"]}', {})
            kinds[spec["names"]["kind"]] = (spec["names"]["plural"], spec.get("scope", "Namespaced") == "Namespaced")

    def remove(self, path):
        value = self.objects.pop(path)
        self.owners.pop(path)
        self.version += 1
        value["metadata"]["resourceVersion"] = str(self.version)
        self.event("DELETED", path, value)
        if value["kind"] == "Namespace":
            inside = f'/namespaces/{value["metadata"]["name"]}/'
            for other in [other for other in self.objects if inside in other]:
                self.remove(other)

    # -- requests --

    def split(self, path):
        """group/version, plural, namespace, name."""
        match = re.fullmatch(r"/(?:api/(v1)|apis/([^/]+/[^/]+))(?:/namespaces/([^/]+))?/([^/]+)(?:/([^/]+))?(/status)?", path)
        namespace_only = re.fullmatch(r"/api/v1/namespaces(?:/([^/]+))?", path)
        if namespace_only:
            return "v1", "namespaces", None, namespace_only.group(1)
        if not match:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        version = match.group(1) or match.group(2)
        if match.group(4) not in [plural for plural, _ in self.kinds.get(version, {}).values()]:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        return version, match.group(4), match.group(3), match.group(5)

    def missing(self, plural, name):
        return Refusal(404, "NotFound", f'{plural} "{name}" not found', {"name": name, "kind": plural})

    def apply(self, path, value, manager, force):
        _, plural, namespace, name = self.split(path)
        if namespace and "/api/v1/namespaces/" + namespace not in self.objects:
            raise self.missing("namespaces", namespace)
        if path not in self.objects:
            return 201, self.create(path, value, manager)
        now, owners = self.objects[path], self.owners[path]
        wanted = {leaf: v for leaf, v in leaves(value).items() if leaf not in NOT_OWNED}
        have = leaves(now)
        conflicts = [(other, leaf) for leaf, v in wanted.items() for other, owned in sorted(owners.items())
                     if other != manager and leaf in owned and have.get(leaf) != v]
        if conflicts and not force:
            words = "; ".join(f'conflict with "{other}" using {value["apiVersion"]}: .{".".join(leaf)}' for other, leaf in conflicts)
            raise Refusal(409, "Conflict", f"Apply failed with {len(conflicts)} conflict{'s'[:len(conflicts) > 1]}: {words}",
                          {"causes": [{"reason": "FieldManagerConflict", "message": f'conflict with "{other}"',
                                       "field": "." + ".".join(leaf)} for other, leaf in conflicts]})
        if now["kind"] == "Job" and "spec" in value and now.get("spec", {}).get("template") != value["spec"].get("template"):
            raise Refusal(422, "Invalid", f'Job.batch "{name}" is invalid: spec.template: Invalid value: field is immutable',
                          {"causes": [{"reason": "FieldValueInvalid", "message": "field is immutable", "field": "spec.template"}]})
        before = json.dumps([now, sorted((m, sorted(p)) for m, p in owners.items())], sort_keys=True)
        spec = json.dumps(now.get("spec"), sort_keys=True)
        for leaf, v in wanted.items():
            put(now, leaf, v)
            for other in owners:
                if other != manager and (other, leaf) in conflicts:
                    owners[other].discard(leaf)
        for leaf in owners.get(manager, set()) - set(wanted):
            if not any(leaf in owned for other, owned in owners.items() if other != manager):
                cut(now, leaf)
        owners[manager] = set(wanted)
        if json.dumps([now, sorted((m, sorted(p)) for m, p in owners.items())], sort_keys=True) != before:
            if json.dumps(now.get("spec"), sort_keys=True) != spec:
                now["metadata"]["generation"] = now["metadata"].get("generation", 0) + 1
            if now["kind"] == "CustomResourceDefinition":
                self.serve(now)
            self.stamp(path, "MODIFIED")
        return 200, now

    def patch(self, path, value):
        """Who owns what, of one version of an object."""
        _, plural, _, name = self.split(path)
        if path not in self.objects:
            raise self.missing(plural, name)
        if value["metadata"].pop("resourceVersion") != self.objects[path]["metadata"]["resourceVersion"]:
            raise Refusal(409, "Conflict", "the object has been modified")
        self.owners[path] = {entry["manager"]: {tuple(step[len("f:"):] for step in leaf) for leaf in leaves(entry["fieldsV1"])}
                             for entry in value["metadata"].pop("managedFields")}
        assert value == {"metadata": {}}, f"more than its owners: {value}"
        self.stamp(path, "MODIFIED")
        return 200, self.objects[path]

    def edit(self, order):
        now, owners = self.objects[order["path"]], self.owners[order["path"]]
        mine = owners.setdefault(order.get("manager", "someone"), set())
        for dotted, v in order.get("set", {}).items():
            leaf = tuple(dotted.split("."))
            put(now, leaf, v)
            for owned in owners.values():
                owned.discard(leaf)
            mine.add(leaf)
        for dotted in order.get("unset", []):
            leaf = tuple(dotted.split("."))
            cut(now, leaf)
            for owned in owners.values():
                owned.discard(leaf)
        self.stamp(order["path"], "MODIFIED")

    def delete(self, path, uid):
        _, plural, _, name = self.split(path)
        value = self.objects.get(path)
        if value is None:
            raise self.missing(plural, name)
        if uid and value["metadata"]["uid"] != uid:
            raise Refusal(409, "Conflict", "Precondition failed: UID in precondition does not match")
        if value["metadata"].get("finalizers"):
            value["metadata"].setdefault("deletionTimestamp", "2026-01-01T00:00:00Z")
            self.stamp(path, "MODIFIED")
            return value
        self.remove(path)
        return {"apiVersion": "v1", "kind": "Status", "status": "Success", "details": {"name": name, "uid": value["metadata"]["uid"]}}

    def discovery(self, path):
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            groups = {}
            for version in self.kinds:
                if "/" in version:
                    groups.setdefault(version.split("/")[0], []).append(version)
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                {"name": group, "versions": [{"groupVersion": v, "version": v.split("/")[1]} for v in versions],
                 "preferredVersion": {"groupVersion": versions[0], "version": versions[0].split("/")[1]}}
                for group, versions in groups.items()]}
        if path == "/version":
            return {"major": "1", "minor": "30", "gitVersion": "v1.30.0"}
        version = path[len("/api/"):] if path.startswith("/api/") else path[len("/apis/"):]
        if version in self.kinds:
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": [
                {"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind,
                 "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"]}
                for kind, (plural, namespaced) in self.kinds[version].items()]}
        return None


def selects(selector, value):
    labels = value["metadata"].get("labels", {})
    for term in filter(None, (selector or "").split(",")):
        key, _, want = term.partition("=")
        if key not in labels or (want and labels[key] != want.lstrip("=")):
            return False
    return True


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state = None

    def log_message(self, *_):
        pass

    def answer(self, code, value):
        self.answer_bytes(code, "application/json", json.dumps(value).encode())

    def answer_bytes(self, code, media_type, body):
        self.send_response(code)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        url = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(url.path)
        query = {key: values[-1] for key, values in urllib.parse.parse_qs(url.query, keep_blank_values=True).items()}
        if path.startswith("/_/"):
            return self.steer(path[3:], json.loads(body or b"{}"))
        fault = self.fault_of(path)
        if fault:
            time.sleep(fault.get("delay", 0))
            if fault.get("code") == 0:
                time.sleep(3600)
            if "text" in fault:
                return self.answer_bytes(fault["code"], "text/plain", fault["text"].encode())
            if "code" in fault:
                reason = fault.get("reason", "InternalError")
                return self.answer(fault["code"], Refusal(fault["code"], reason, fault.get("message", "injected")).status)
        try:
            if self.command == "GET" and query.get("watch") in ("1", "true"):
                return self.watch(path, query)
            with self.state.lock:
                code, value = self.serve(path, query, body)
        except Refusal as refusal:
            code, value = refusal.code, refusal.status
        return self.answer(code, value)

    do_GET = do_PATCH = do_DELETE = do_POST = do_PUT = handle_any

    def fault_of(self, path):
        with self.state.lock:
            self.state.log.append([self.command, path])
            for fault in self.state.faults:
                if fault.get("method", self.command) == self.command and re.search(fault["path"], path) and fault.get("times", 1) > 0:
                    fault["times"] = fault.get("times", 1) - 1
                    return fault
        return None

    def steer(self, order, value):
        state = self.state
        with state.lock:
            if order == "fault":
                state.faults.append(value)
            elif order == "clear":
                state.faults.clear()
            elif order == "edit":
                state.edit(value)
            elif order == "delete":
                state.remove(value["path"])
            elif order == "objects":
                return self.answer(200, state.objects)
            elif order == "log":
                log, state.log = state.log, []
                return self.answer(200, log)
        return self.answer(200, {})

    def serve(self, path, query, body):
        state = self.state
        found = state.discovery(path) if self.command == "GET" else None
        if found is not None:
            return 200, found
        version, plural, _, name = state.split(path)
        if self.command == "PATCH":
            if "status" == path.rsplit("/", 1)[1]:
                raise Refusal(405, "MethodNotAllowed", "not here")
            if self.headers["Content-Type"] == "application/merge-patch+json":
                return state.patch(path, json.loads(body))
            return state.apply(path, json.loads(body), query["fieldManager"], query.get("force") == "true")
        if self.command == "DELETE":
            options = json.loads(body) if body else {}
            return 200, state.delete(path, options.get("preconditions", {}).get("uid"))
        if name is not None:
            if path not in state.objects:
                raise state.missing(plural, name)
            return 200, state.objects[path]
        kind = next(kind for kind, (p, _) in state.kinds[version].items() if p == plural)
        return 200, {"kind": kind + "List", "apiVersion": version, "metadata": {"resourceVersion": str(state.version)},
                     "items": [copy.deepcopy(o) for p, o in sorted(state.objects.items())
                               if self.is_in(path, p.rsplit("/", 1)[0]) and selects(query.get("labelSelector"), o)]}

    @staticmethod
    def is_in(collection, parent):
        """A collection over all namespaces has the items of each."""
        return re.sub(r"/namespaces/[^/]+(?=/)", "", parent) == collection or parent == collection

    def watch(self, path, query):
        since, end = int(query.get("resourceVersion") or 0), time.monotonic() + min(float(query.get("timeoutSeconds", 300)), 300)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        state = self.state
        while time.monotonic() < end:
            with state.lock:
                news = [(v, k, o) for v, k, parent, o in state.events if v > since and self.is_in(path, parent)
                        and selects(query.get("labelSelector"), o)]
                if not news:
                    state.lock.wait(0.2)
                    continue
            for version, kind, value in news:
                line = json.dumps({"type": kind, "object": value}).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                since = version
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")


class Listener(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        pass


def main():
    Handler.state = Server()
    listener = Listener(("127.0.0.1", 0), Handler)
    with open(sys.argv[1] + ".new", "w", encoding="utf-8") as out:
        out.write(str(listener.server_port))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    listener.serve_forever()


if __name__ == "__main__":
    main()
