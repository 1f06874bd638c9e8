"""/v2/openapi.json: it is OpenAPI, it has every route, and every route works as it says."""
import subprocess

import openapi


def routes(daemon):
    printed = subprocess.run([daemon.binary, "-c", daemon.config, "--print", "routes"], stdout=subprocess.PIPE, text=True,
                             timeout=30, check=True).stdout
    return {tuple(line.split("[")[0].split()[:2]) for line in printed.splitlines()}


def test_it_has_every_route_and_no_other_and_an_existing_validator_agrees(daemon, api):
    document = api.get("openapi.json").json()
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item
                 if method != "parameters"}
    assert described == routes(daemon)
    assert openapi.check(document) == []
    ids = [operation["operationId"] for item in document["paths"].values() for method, operation in item.items()
           if method != "parameters"]
    assert len(ids) == len(set(ids)) == len(described)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                assert operation["summary"] and any(code.startswith("2") for code in operation["responses"]), (method, path)


def test_the_validator_finds_faults(api):
    document = api.get("openapi.json").json()
    schema = {"$ref": "#/components/schemas/project"}
    faults = openapi.check(document, [{"schema": schema, "value": {"metadata": {"name": "a b"}}, "what": "bad name"}])
    assert len(faults) == 1 and faults[0].startswith("bad name: ")
    document["paths"]["/v2/projects"]["get"]["responses"]["200"].pop("description")
    assert len(openapi.check(document)) == 1


class Journal:
    """Answers, each checked for its code at once, kept to be checked against its schema together."""

    def __init__(self, document):
        self.document, self.answers = document, []

    def took(self, method, pattern, answer, want):
        operation = self.document["paths"][pattern][method.lower()]
        what = f"{method} {pattern}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code == want, what
        assert str(want) in operation["responses"], what
        described = operation["responses"][str(want)]
        if "$ref" in described:
            described = self.document["components"]["responses"][described["$ref"].rsplit("/", 1)[1]]
        for name in described.get("headers", {}):
            if name in ("ETag", "X-Request-Id") or (name == "Location" and method == "POST"):
                assert name in answer.headers, (name, what)
        content = described.get("content")
        if content is None:
            assert answer.content == b"", what
        else:
            media = answer.headers["Content-Type"].split(";")[0]
            assert media in content, what
            if media.endswith("json"):
                self.answers.append({"schema": content[media]["schema"], "value": answer.json(), "what": what})
        return answer


def test_every_type_is_created_read_listed_replaced_and_deleted_as_it_says(make_daemon):
    """On a daemon of its own: the examples have fixed names."""
    api = make_daemon().start().client()
    document = api.get("openapi.json").json()
    tree, journal = openapi.Tree(api, document), Journal(document)
    assert len(tree.kinds) > 20
    for kind in tree.kinds:
        collection = tree.collection(kind)
        made = journal.took("POST", kind.collection, kind.send(api, "POST", collection, kind.example), 201)
        item = tree.at[kind.name] = made.headers["Location"].removeprefix("/v2/")
        journal.took("POST", kind.collection, kind.send(api, "POST", collection, kind.example), 409)
        journal.took("POST", kind.collection, kind.send(api, "POST", collection, kind.example,
                                                        headers={"If-None-Match": "*"}), 412)
        journal.took("POST", kind.collection, kind.send(api, "POST", collection, {}), 400)
        read = journal.took("GET", kind.item, api.get(item), 200)
        assert read.json() == made.json()
        journal.took("GET", kind.item, api.get(item, headers={"If-None-Match": read.headers["ETag"]}), 304)
        journal.took("GET", kind.item, api.get(item, headers={"Accept": "application/x-nothing"}), 406)
        journal.took("GET", kind.collection, api.get(collection), 200)
        journal.took("GET", kind.collection, api.get(collection + "?limit=1"), 200)
        if kind.can_put:
            answers = document["paths"][kind.item]["put"]["responses"]
            want = 200 if "200" in answers else 201
            journal.took("PUT", kind.item, kind.send(api, "PUT", item, kind.example,
                                                     headers={"If-Match": read.headers["ETag"]}), want)
            journal.took("PUT", kind.item, kind.send(api, "PUT", item, kind.example,
                                                     headers={"If-Match": read.headers["ETag"]}), 412)
    for kind in tree.kinds:
        parent = kind.parent(tree.kinds)
        if parent is not None:
            answer = journal.took("DELETE", parent.item, api.delete(tree.at[parent.name]), 409)
            assert tree.at[parent.name] in answer.text
    views = 0
    for path, item in document["paths"].items():               # the views that have a path of their own
        if "get" in item and item["get"]["operationId"].startswith("view"):
            kind = next(kind for kind in tree.kinds if path.startswith(kind.item + "/") and path.count("/") == kind.item.count("/") + 1)
            journal.took("GET", path, api.get(tree.at[kind.name] + "/" + path.rsplit("/", 1)[1]), 200)
            views += 1
    assert views >= 4
    for kind in reversed(tree.kinds):
        item = tree.at[kind.name]
        journal.took("DELETE", kind.item, api.delete(item), 204)
        journal.took("DELETE", kind.item, api.delete(item), 404)
        journal.took("GET", kind.item, api.get(item), 404)
        if kind.can_put and not kind.needs_form:
            want = "201" if "201" in document["paths"][kind.item]["put"]["responses"] else "200"
            answer = kind.send(api, "PUT", item, kind.example)
            assert (answer.status_code == 404) == (kind.name == "logicalCloud"), (kind.name, answer.text)      # only replaced
            if answer.status_code != 404:
                journal.took("PUT", kind.item, answer, int(want))
                journal.took("DELETE", kind.item, api.delete(item), 204)
    assert len(journal.answers) > 100
    assert openapi.check(document, journal.answers) == []
