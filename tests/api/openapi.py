"""The description of the API, as the tests that are made from it see it."""
import json
import pathlib
import re
import subprocess

from emco import profile, simple_chart

SOURCE = pathlib.Path(__file__).resolve().parents[2]
CHECK = pathlib.Path(__file__).with_name("openapi_check.mjs")
FILES = {"app": simple_chart("web"), "appProfile": profile()}      # of the types whose form needs one


def check(document, answers=()):
    """Faults of the document and of answers ({"schema", "value", "what"}), found by a validator that is not ours."""
    folder = subprocess.run([SOURCE / "scripts" / "fetch-openapi-validator"], stdout=subprocess.PIPE, text=True, timeout=600,
                            check=True).stdout.strip()
    done = subprocess.run(["node", CHECK, folder], input=json.dumps({"document": document, "answers": list(answers)}),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def closed(schema):
    """The same, but nothing may be in an object that is not described."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    ends = {"additionalProperties": False} if isinstance(schema.get("properties"), dict) else {}
    return {**ends, **{key: closed(value) for key, value in schema.items()}}


def bodies(document):
    """{name: schema} of every document that a request may bring, those of verbs among them."""
    return {media["schema"]["$ref"].rsplit("/", 1)[1]: media["schema"] for item in document["paths"].values()
            for method, operation in item.items() if method in ("post", "put") and "requestBody" in operation
            for kind, media in operation["requestBody"]["content"].items() if kind == "application/json"} | {
                kind.name: {"$ref": f"#/components/schemas/{kind.name}"} for kind in kinds(document)}


class Kind:
    """A resource type: where it is, and what its document may be."""

    def __init__(self, document, collection):
        self.document, self.collection = document, collection
        operation = document["paths"][collection]["post"]
        self.name = operation["tags"][0]
        content = operation["requestBody"]["content"]
        self.needs_form = "application/json" not in content
        self.schema = document["components"]["schemas"][self.name]
        self.example = self.schema["examples"][0]
        self.variables = re.findall(r"\{[^}]*\}", collection)
        items = [path for path in document["paths"] if path.startswith(collection + "/{") and "delete" in document["paths"][path]]
        self.item = min(items, key=len)

    @property
    def can_put(self):
        return "put" in self.document["paths"][self.item]

    def parent(self, kinds):
        above = self.collection.rsplit("/", 1)[0]
        return next((kind for kind in kinds if kind.item == above), None)

    def send(self, api, method, path, body, **arguments):
        if not self.needs_form:
            return api.request(method, path, json=body, **arguments)
        parts = [("metadata", (None, json.dumps(body))), ("file", ("filename", FILES[self.name]))]
        return api.request(method, path, files=parts, **arguments)


def kinds(document):
    """Every resource type, parents first."""
    found = sorted((Kind(document, path) for path, item in document["paths"].items()
                   if "post" in item and "get" in item and path.startswith("/v2/")), key=lambda kind: kind.collection.count("/"))
    assert len(found) > 20, "so few types"
    return found


class Tree:
    """One resource of every type, made from the examples, below names of its own."""

    def __init__(self, api, document):
        self.api, self.kinds, self.at = api, kinds(document), {}

    def collection(self, kind):
        """The path of its collection, with its parents made on the way."""
        parent = kind.parent(self.kinds)
        if parent is None:
            return kind.collection.removeprefix("/v2/")
        return self.item(parent) + "/" + kind.collection.rsplit("/", 1)[1]

    def item(self, kind):
        if kind.name not in self.at:
            path = self.collection(kind)
            answer = kind.send(self.api, "POST", path, kind.example)
            assert answer.status_code == 201, f"POST {path}: {answer.status_code} {answer.text}"
            self.at[kind.name] = answer.headers["Location"].removeprefix("/v2/")
        return self.at[kind.name]

    def grow(self):
        """All of them."""
        for kind in self.kinds:
            self.item(kind)

    def path(self, pattern):
        """The path of an operation on what is in the tree."""
        for kind in reversed(self.kinds):                      # the deepest first
            if pattern == kind.item or pattern.startswith(kind.item + "/"):
                return self.item(kind) + pattern.removeprefix(kind.item)
        return pattern.removeprefix("/v2/")
