"""/v2/openapi.json: it is OpenAPI, it has every route, and every route works as it says."""
import re
import subprocess

import openapi
from conftest import wait_for
from emco import Scene, named, simple_chart


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


def operations(document):
    """(method, path, operation) of each."""
    return [(method, path, operation) for path, item in document["paths"].items() for method, operation in item.items()
            if method != "parameters"]


def test_every_schema_has_an_example_and_every_example_is_one(api):
    document = api.get("openapi.json").json()
    schemas = document["components"]["schemas"]
    assert {name for name, schema in schemas.items() if not schema.get("examples")} == set()
    assert {"Status", "History", "DryRun", "Abandoned", "Problem", "Events", "rollbackDeploymentIntentGroup",
            "migrateDeploymentIntentGroup"} < set(schemas)
    for name in ("Status", "History", "DryRun", "Abandoned", "Problem"):       # and has no member that nobody describes
        schemas[name] = openapi.closed(schemas[name])
    examples = [{"schema": {"$ref": f"#/components/schemas/{name}"}, "value": example, "what": name}
                for name, schema in schemas.items() for example in schema["examples"]]
    assert openapi.check(document, examples) == []


def test_every_operation_says_in_a_line_of_its_own_what_it_does(api):
    document = api.get("openapi.json").json()
    summaries = {(method, path): operation["summary"] for method, path, operation in operations(document)}
    assert len(set(summaries.values())) == len(summaries)
    found = {summaries[method, "/v2/projects" + path] for method, path in
             (("get", ""), ("post", ""), ("get", "/{project}"), ("put", "/{project}"), ("delete", "/{project}"))}
    assert found == {"List the projects", "Create a project", "Read a project", "Replace a project", "Delete a project"}
    assert summaries["post", f"{DIG}/migrate"] == "Migrate a deployment intent group"
    assert summaries["get", f"{CLOUD}/status"] == "Show the status of a logical cloud"
    assert {"List the app dependencies", "Create an app", "Create a user permission"} < set(summaries.values())
    for method, path, operation in operations(document):
        assert path in ("/healthz", "/readyz", "/metrics", "/v2/openapi.json") or operation["description"], (method, path)


def test_streams_are_described_where_there_are_some(api):
    document = api.get("openapi.json").json()
    watched = 0
    for _, path, operation in operations(document):
        names = [parameter.get("name") for parameter in operation["parameters"]]
        is_watched = "watch" in names
        watched += is_watched
        assert ({"$ref": "#/components/parameters/Last-Event-ID"} in operation["parameters"]) == is_watched, path
        content = operation["responses"].get("200", {}).get("content", {})
        assert ("text/event-stream" in content) == ("307" in operation["responses"]) == is_watched, path
    assert watched == 2
    events = document["components"]["schemas"]["Events"]
    assert "event: status\n" in events["examples"][0] and "event: end\n" in events["examples"][0] and "end" in events["description"]
    pattern = document["components"]["parameters"]["Last-Event-ID"]["schema"]["pattern"]
    assert re.fullmatch(pattern.strip("^$"), re.search(r"^id: (.*)$", events["examples"][0], re.M).group(1))


def test_each_query_parameter_says_what_it_takes(api):
    document = api.get("openapi.json").json()
    schemas = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for parameter in operation.get("parameters", []) if method != "parameters" else []:
                if parameter.get("in") == "query":
                    schemas.setdefault(parameter["name"], []).append(parameter["schema"])
    free = {name for name, found in schemas.items() if {"type": "string"} in found}
    # Names of things, where a page goes on, and what asks for names whatever its value.
    assert free == {"app", "app-name", "cluster", "resource", "label", "key", "intent", "continue", "apps", "clusters", "resources"}
    assert schemas["instances"] == schemas["withLabels"] == [{"type": "boolean"}]


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


def reads(document, tree):
    """(pattern, path) of every GET below /v2, on one resource of every type; views that a parameter chooses with it."""
    for pattern, item in document["paths"].items():
        if "get" not in item or not pattern.startswith("/v2/"):
            continue
        path = tree.path(pattern)
        yield pattern, path
        for parameter in item["get"]["parameters"]:
            if parameter.get("in") == "query" and parameter["name"] in CHOOSING:
                yield pattern, f"{path}?{parameter['name']}={CHOOSING[parameter['name']]}"


CHOOSING = {"withLabels": "true", "label": "edge", "instances": "true", "intent": "all", "app-name": "web", "app": "web", "key": "a"}


def test_a_read_sends_what_the_client_accepts_or_says_what_there_is(make_daemon):
    api = make_daemon().start().client()
    document = api.get("openapi.json").json()
    tree, seen = openapi.Tree(api, document), set()
    tree.grow()
    for pattern, path in reads(document, tree):
        seen.add(path)
        assert "406" in document["paths"][pattern]["get"]["responses"], pattern
        plain = api.get(path, headers={"Accept": None})
        assert plain.ok or plain.status_code == 404, (path, plain.text)      # a key that is not in the example, say
        for accept in ("*/*", "application/*", "application/json", "text/html, application/json;q=0.1", "application/problem+json"):
            answer = api.get(path, headers={"Accept": accept})
            assert answer.status_code == plain.status_code, (path, accept, answer.text)
            assert not plain.ok or answer.headers["Content-Type"] == "application/json", (path, accept)
        for accept in ("text/html", "image/*", "application/json;q=0", "application/problem+json, text/html", "text/event-stream"):
            answer = api.get(path, headers={"Accept": accept})
            assert answer.status_code in (406, 404 if not plain.ok else 406), (path, accept, answer.status_code)
            if answer.status_code == 406:
                problem = "problem" in accept
                assert "Link" not in answer.headers, path
                assert ("problem+json" in answer.headers["Content-Type"]) == problem and "application/json" in answer.text, answer.text
    assert len(seen) > len(document["paths"]) / 2
    group = tree.item(next(kind for kind in tree.kinds if kind.name == "deploymentIntentGroup"))
    for accept, code in ((None, 307), ("text/event-stream", 307), ("text/*", 307), ("*/*", 307), ("application/json", 406), ("text/html", 406)):
        answer = api.get(f"{group}/status?watch=true", headers={"Accept": accept}, allow_redirects=False)
        assert answer.status_code == code and ("text/event-stream" in answer.text) == (code == 406), (accept, answer.text)


STATUS_QUERIES = ["", *(f"?{mode}{output}" for mode in ("type=rsync", "type=cluster", "status=deployed", "status=ready")
                        for output in ("", "&output=summary", "&output=detail")),
                  *(f"?status=deployed&{names}" for names in ("apps", "clusters", "resources"))]
CLOUD, PROVIDER = "/v2/projects/{project}/logical-clouds/{logicalCloud}", "/v2/cluster-providers/{clusterProvider}"
DIG = ("/v2/projects/{project}/composite-apps/{compositeApp}/{compositeAppVersion}"
       "/deployment-intent-groups/{deploymentIntentGroup}")


def test_every_verb_and_what_shows_its_outcome_answer_as_they_say(api, unique, remote):
    """Nothing is in an answer that is not described."""
    document = api.get("openapi.json").json()
    schemas = document["components"]["schemas"]
    schemas.update({name: openapi.closed(schemas[name]) for name in ("Status", "History", "DryRun", "Abandoned")})
    journal, seen = Journal(document), set()

    def do(path, pattern, verb, body=None, query="", want=202):
        seen.add(f"{pattern}/{verb}")
        return journal.took("POST", f"{pattern}/{verb}", api.post(f"{path}/{verb}{query}", body), want)

    def look(path, pattern, queries, what="status"):
        for query in queries:
            journal.took("GET", f"{pattern}/{what}", api.get(f"{path}/{what}{query}"), 200)

    scene = Scene(api, unique).clusters({"one": remote("one"), "two": remote("two")}).cloud()
    cloud, cluster = f"projects/{scene.project}/logical-clouds/lc", f"cluster-providers/{scene.provider}/clusters/two"
    do(cloud, CLOUD, "instantiate", want=409)
    look(cloud, CLOUD, ("", "?status=deployed", "?status=ready&output=detail", "?clusters", "?resources"))

    scene.apps({"web": simple_chart("web"), "db": simple_chart("db")})
    api.make(f"{scene.version}/apps/web/dependency", named("db", app="db", opStatus="Deployed", wait=1))
    scene.deployment({"web": scene.by_name("one"), "db": scene.any_of("one", "two")}, approve=False)
    do(scene.dig, DIG, "instantiate", want=409)
    do(scene.dig, DIG, "approve")
    for query in ("?dryRun=true", "?dryRun=true&output=summary"):
        do(scene.dig, DIG, "instantiate", query=query, want=200)
    do(scene.dig, DIG, "instantiate")
    look(scene.dig, DIG, STATUS_QUERIES)
    scene.wait("Instantiated")
    look(scene.dig, DIG, STATUS_QUERIES)
    do(scene.dig, DIG, "stop", want=409)
    do(scene.dig, DIG, "update", query="?dryRun=true", want=200)
    do(scene.dig, DIG, "update")
    do(scene.dig, DIG, "rollback", {"spec": {"revision": 1}}, "?dryRun=true", 200)
    do(scene.dig, DIG, "rollback", {"spec": {"revision": 1}})
    do(scene.dig, DIG, "rollback", {"spec": {"revision": 99}}, want=404)
    do(scene.dig, DIG, "rollback", {}, want=400)

    other = scene.dig.removesuffix("dig") + "other"
    api.make(f"{scene.version}/deployment-intent-groups", {**api.get(scene.dig).json(), "metadata": {"name": "other"}})
    api.make(f"{other}/generic-placement-intents", named("gpi"))
    for app in ("web", "db"):
        api.make(f"{other}/generic-placement-intents/gpi/app-intents", named(app, app=app, intent=scene.by_name("one", "two")))
    api.make(f"{other}/intents", named("all", intent={"genericPlacementIntent": "gpi"}))
    over = {"spec": {"targetCompositeAppVersion": "v1", "targetDeploymentIntentGroup": "other"}}
    do(scene.dig, DIG, "migrate", over, want=409)
    do(other, DIG, "approve")
    do(scene.dig, DIG, "migrate", over, "?dryRun=true", 200)
    do(scene.dig, DIG, "migrate", over)
    for dig in (scene.dig, other):
        look(dig, DIG, STATUS_QUERIES)
        look(dig, DIG, ("", "?limit=1"), "history")

    scene.remotes["two"].path.rename(scene.remotes["two"].path.with_suffix(".away"))
    do(other, DIG, "update")
    do(other, DIG, "terminate")
    wait_for(lambda: "attempts" in api.get(f"{other}/status?status=deployed").text, what="a failed attempt")
    look(other, DIG, STATUS_QUERIES)
    do(other, DIG, "stop")
    do(cluster, f"{PROVIDER}/clusters/{{cluster}}", "abandon", query="?force=true", want=200)
    do(other, DIG, "terminate")
    look(other, DIG, STATUS_QUERIES)
    look(other, DIG, ("",), "history")
    do(cloud, CLOUD, "terminate", want=409)
    for group, intents in ((scene.dig, ("all",)), (other, ("all",))):
        for path in (*(f"{group}/intents/{name}" for name in intents),
                     *(f"{group}/generic-placement-intents/gpi/app-intents/{app}" for app in ("web", "db")),
                     f"{group}/generic-placement-intents/gpi"):
            assert api.delete(path).status_code == 204, path
        wait_for(lambda group=group: api.delete(group).status_code == 204, what=f"{group} to be empty")
    do(cloud, CLOUD, "terminate")
    look(cloud, CLOUD, ("", "?status=deployed"))

    assert seen == {path for path, item in document["paths"].items() if "post" in item and "get" not in item}
    assert len(journal.answers) > 100
    assert openapi.check(document, journal.answers) == []
