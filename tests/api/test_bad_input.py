"""Bad input, generated from what /v2/openapi.json says a document may be: each is told at its member, and nothing is stored."""
import copy
import socket

import pytest

import openapi



def resolve(document, schema):
    """The schema with its references followed; a sibling of "$ref" holds as well."""
    while "$ref" in schema:
        target = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/")]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def types_of(schema):
    known = schema.get("type", [])
    return known if isinstance(known, list) else [known]


def bad_values(schema):
    """(value, why) of what the schema does not allow."""
    types = types_of(schema)
    swaps = {"string": 5, "integer": "5", "object": "x", "array": "x", "boolean": "true"}
    for kind in types:
        if len(types) == 1 and kind in swaps:
            yield swaps[kind], f"no {kind}"
    if "string" in types and len(types) == 1:
        yield {"a": 1}, "an object"
    if "maxLength" in schema:
        yield "n" * (schema["maxLength"] + 1), "too long"
        yield "\u00e9" * (schema["maxLength"] + 1), "too long, in code points"
    if schema.get("minLength", 0) > 0:
        yield "", "too short"
    if "pattern" in schema and "readOnly" not in schema:
        yield "-a b-", "against the pattern"
    if "maxItems" in schema:
        yield [None] * (schema["maxItems"] + 1), "too many"
    if "enum" in schema:
        yield "nonsense", "none of the values"
    if "minimum" in schema:
        yield schema["minimum"] - 1, "too small"
    if "maximum" in schema:
        yield schema["maximum"] + 1, "too large"
        yield 10**18, "much too large"
    if "integer" in types:
        yield 1.5, "a fraction"


def places(document, schema, at=(), choices=frozenset()):
    """(path, schema, paths above it where one of several schemas is chosen) of every member that the schema names, in branches
    too; arrays and maps by their first element."""
    schema = resolve(document, schema)
    branches = [branch for word in ("oneOf", "anyOf", "allOf") for branch in schema.get(word, [])]
    if branches:
        choices = choices | {at}
    yield at, schema, choices
    for branch in branches:
        for path, inner, above in places(document, branch, at, choices):
            if path != at:
                yield path, inner, above
    for name, member in schema.get("properties", {}).items():
        yield from places(document, member, at + (name,), choices)
    if isinstance(schema.get("additionalProperties"), dict):
        yield from places(document, schema["additionalProperties"], at + ("key",), choices)
    if "items" in schema:
        yield from places(document, schema["items"], at + (0,), choices)


def is_bounded(schema):
    """A string's or array's length; of a pattern that repeats nothing for ever, too."""
    types = types_of(schema)
    if "enum" in schema or "const" in schema:
        return True
    if "array" in types and "maxItems" not in schema:
        return False
    pattern = schema.get("pattern", "*")
    return "string" not in types or "maxLength" in schema or not ("*" in pattern or "+" in pattern or ",}" in pattern)


def test_every_string_and_array_of_a_request_has_a_limit(api):
    document = api.get("openapi.json").json()
    unbounded = [(name, path) for name, schema in openapi.bodies(document).items()
                 for path, inner, _ in places(document, schema) if not is_bounded(inner)]
    assert unbounded == []
    assert len(openapi.bodies(document)) > 20


def put(value, path, bad):
    """A copy of the document with one member replaced; what is missing on the way is made."""
    if not path:
        return bad
    value = copy.deepcopy(value)
    if isinstance(path[0], int):
        value = value if isinstance(value, list) and value else [None]
    elif not isinstance(value, dict):
        value = {}
    inner = value[0] if isinstance(path[0], int) else value.get(path[0])
    value[path[0]] = put(inner, path[1:], bad)
    return value


def without(value, path):
    value = copy.deepcopy(value)
    inner = value
    for step in path[:-1]:
        inner = inner[step]
    inner.pop(path[-1], None)
    return value


def has(value, path):
    for step in path:
        if isinstance(step, int) and isinstance(value, list) and len(value) > step:
            value = value[step]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return False
    return True


def bad_documents(document, kind):
    """(document, path, why, paths where the fault may be told instead)"""
    for path, schema, choices in places(document, kind.schema):
        if schema.get("readOnly"):
            continue
        for value, why in bad_values(schema):
            yield put(kind.example, path, value), path, why, choices
        for name in schema.get("required", []):
            if has(kind.example, path + (name,)):
                yield without(kind.example, path + (name,)), path + (name,), "missing", choices


def told(answer):
    """The paths that an answer tells faults of."""
    fields = [line.split(": ")[0].replace("the document", "") for line in answer.text.splitlines()
              if line.startswith(("/", "the document: "))]
    return [tuple(int(step) if step.isdigit() else step for step in field.strip("/").split("/") if step) for field in fields]


def test_every_bad_member_of_every_type_is_told_and_nothing_is_stored(make_daemon):
    daemon = make_daemon().start()
    api = daemon.client()
    document = api.get("openapi.json").json()
    tree = openapi.Tree(api, document)
    tried, wrong = 0, []
    for kind in tree.kinds:
        item, collection = tree.item(kind), tree.collection(kind)
        kept = api.get(item).text
        before = daemon.count("resource"), daemon.count("resource_ref"), daemon.count("resource_file")
        for body, bad, why, choices in bad_documents(document, kind):
            for method, path in [("POST", collection)] + ([("PUT", item)] if kind.can_put else []):
                answer = kind.send(api, method, path, body)
                tried += 1
                # A branch of oneOf is told where the choice is made, which is above; an absent object that has defaults
                # is made, and what is still missing in it is below.
                if answer.status_code != 400 or not any(
                        path == bad or path in choices or (why == "missing" and path[:len(bad)] == bad) for path in told(answer)):
                    wrong.append(f"{method} {kind.name} {bad} {why}: {answer.status_code} {answer.text[:200]}")
        after = daemon.count("resource"), daemon.count("resource_ref"), daemon.count("resource_file")
        if after != before or api.get(item).text != kept:
            wrong.append(f"{kind.name}: {before} has become {after}")
    assert not wrong, "\n".join(wrong)
    assert tried > 400


NO_JSON = [
    (b'{"metadata":' + b"[" * 100 + b"]" * 100 + b"}", 413, "64"), (b'{"spec":' * 100 + b"1" + b"}" * 100, 413, "64"),
    (b'{"metadata":{"name":"\xff"}}', 422, "UTF-8"), (b'{"metadata":{"name":"\xc0\xaf"}}', 422, "UTF-8"),
    (b'{"metadata":{"name":"\xed\xa0\x80"}}', 422, "UTF-8"), (b'{"spec":{"\xff":1}}', 422, "UTF-8"),
    (b'{"metadata":{"name":"a\\u0000b"}}', 422, "u0000"), (b'{"spec":{"a\\u0000b":1}}', 422, "u0000"),
    (b'{"metadata":{"name":"a\0b"}}', 422, "line 1"), (b'{"metadata":{}}\0', 422, "line 1"),
    (b'{"metadata":{"name":"\\ud800"}}', 422, "line 1"), (b'{"metadata":{"name":"a"},"metadata":{}}', 422, "twice"),
    (b'{"metadata":{}} {}', 422, "line 1"), (b'{"spec":{"revision":1e999}}', 422, "line 1"),
]


def grown(make_daemon):
    """A server of the test's own with one resource of each type, its client, and what it says of itself."""
    daemon = make_daemon().start()
    api = daemon.client()
    document = api.get("openapi.json").json()
    tree = openapi.Tree(api, document)
    tree.grow()
    return daemon, api, document, tree


def routes_with_a_body(document, tree):
    """(method, path, kinds of bodies it takes, the file its form needs or None) of every one, on what is in the tree."""
    files = {kind.name: openapi.FILES.get(kind.name) for kind in tree.kinds}
    for pattern, item in document["paths"].items():
        for method in ("post", "put"):
            if method in item and "requestBody" in item[method]:
                yield method.upper(), tree.path(pattern), item[method]["requestBody"]["content"], files[item[method]["tags"][0]]


def test_what_is_no_json_is_refused_wherever_a_document_is_taken_and_nothing_is_stored(make_daemon):
    """In the part "metadata" of a form as well, and by verbs."""
    daemon, api, document, tree = grown(make_daemon)
    tables = ("resource", "resource_ref", "resource_file", "action", "history", "operation")
    before, wrong, tried = [daemon.count(table) for table in tables], [], {"application/json": 0, "multipart/form-data": 0}
    for method, path, content, file in routes_with_a_body(document, tree):
        for body, status, word in NO_JSON:
            for media in content:
                if media == "application/json":
                    answer = api.request(method, path, data=body, headers={"Content-Type": media})
                else:
                    parts = [("metadata", (None, body))] + ([("file", ("filename", file))] if file is not None else [])
                    answer = api.request(method, path, files=parts)
                tried[media] += 1
                if answer.status_code != status or word not in answer.text:
                    wrong.append(f"{method} {path} {media} {body[:40]}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)
    assert [daemon.count(table) for table in tables] == before
    assert tried["application/json"] > 500 and tried["multipart/form-data"] > 80


PATHS = ["a%2fb", "a%2Fb", "%2e%2e", "..", ".", "%2e", "", "%00", "a%00b", "%0a", "%ff", "%c0%ae", "a%", "a%zz", "-a", "a-", "a b",
         "a%20b", "n" * 129, "a;b", "a,b", "%7f", "%25", "a%5cb", "~", "a*", "(a)"]


def test_path_tricks_lead_nowhere_at_any_depth(daemon, api, unique):
    api.make("projects", {"metadata": {"name": unique}})
    document = api.get("openapi.json").json()
    before = daemon.count("resource")
    tried = 0
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=30) as link:
        answers = link.makefile("rb")
        for kind in openapi.kinds(document):
            for trick in PATHS:
                segments = [unique if part == "{project}" else "a" if part.startswith("{") else part
                            for part in kind.collection.split("/")]
                path = "/".join(segments) + "/" + trick + ("/a" if kind.name == "compositeAppVersion" else "")
                if trick == "" and kind.name != "compositeAppVersion":
                    path += "/"                          # one slash at the end is none
                link.sendall(f"DELETE {path.replace(' ', '%20')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                code = int(answers.readline().split()[1])
                length = 0
                while (line := answers.readline().strip()):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                answers.read(length)
                assert code in (400, 404), (path, code)
                tried += 1
    assert daemon.count("resource") == before and tried > 400
    assert api.get(f"projects/{unique}").status_code == 200


def bad_words(schema):
    """Values that a query parameter of that schema does not take."""
    if "enum" in schema or "pattern" in schema:
        yield "nonsense"
    if schema.get("type") == "boolean":
        yield from ("maybe", "1", "true%20")
    if schema.get("type") == "integer":
        yield from ("x", "-1", "1.5", "0x1", "1%20", str(10**20), str(schema["minimum"] - 1))
        if "maximum" in schema:
            yield str(schema["maximum"] + 1)


def test_a_value_that_a_query_parameter_does_not_take_is_refused_wherever_it_is_offered(make_daemon):
    _, api, document, tree = grown(make_daemon)
    group = next(kind for kind in tree.kinds if kind.name == "deploymentIntentGroup")
    before, wrong, tried = api.get(f"{tree.item(group)}/status").text, [], set()
    for pattern, item in document["paths"].items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            body = resolve(document, schema)["examples"][0] if schema is not None else None
            for parameter in operation["parameters"]:
                for word in bad_words(parameter["schema"]) if parameter.get("in") == "query" else ():
                    path = f"{tree.path(pattern)}?{parameter['name']}={word}"
                    answer = api.request(method.upper(), path, json=body, allow_redirects=False)
                    tried.add((pattern.rsplit("/", 1)[1], parameter["name"]))
                    if answer.status_code != 400 or f'"{parameter["name"]}" must be ' not in answer.text:
                        wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)
    assert {("status", "watch"), ("status", "instance"), ("history", "continue"), ("clusters", "withLabels"), ("projects", "limit"),
            ("controllers", "instances"), ("update", "dryRun"), ("rollback", "output"), ("abandon", "force")} < tried
    assert api.get(f"{tree.item(group)}/status").text == before and api.get(f"{tree.item(group)}/history").json() == []


@pytest.mark.parametrize("query,words", [
    ("status=nonsense", '"status"'), ("type=nonsense", '"type"'), ("output=nonsense", '"output"'), ("instance=x", '"instance"'),
    ("instance=-1", '"instance"'), ("cluster=x", '"cluster"'), ("output=%ff", "escape"), ("output=all;type=rsync", "semicolon"),
    ("&".join(f"app=a{n}" for n in range(65)), "64"),
])
def test_values_of_a_query_that_mean_nothing_are_refused(api, unique, query, words):
    api.make("projects", {"metadata": {"name": unique}})
    api.make(f"projects/{unique}/composite-apps", {"metadata": {"name": "ca"}, "spec": {"compositeAppVersion": "v1"}})
    groups = f"projects/{unique}/composite-apps/ca/v1/deployment-intent-groups"
    api.make(groups, {"metadata": {"name": "d"}, "spec": {"compositeProfile": "p", "version": "r", "logicalCloud": "l"}})
    answer = api.get(f"{groups}/d/status?{query}")
    assert answer.status_code == 400 and words in answer.text, answer.text
