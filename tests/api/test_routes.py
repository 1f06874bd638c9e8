"""Every route and every way it refuses, generated from /v2/openapi.json."""
import copy
import json

import pytest
import requests

import openapi
from emco import named

METHODS = ("GET", "POST", "PUT", "DELETE")


@pytest.fixture(scope="module")
def document(daemon):
    return daemon.client().get("openapi.json").json()


def concrete(path, name="nobody"):
    """The path with names in it, of things that are not there."""
    return "/".join(name if part.startswith("{") else part for part in path.split("/"))


def test_a_method_that_is_not_offered_is_405_and_says_what_is(daemon, document):
    http = requests.Session()
    refused = heads = 0
    for path, item in document["paths"].items():
        offered = {method.upper() for method in item if method != "parameters"}
        for method in {*METHODS, "PATCH"} - offered:
            answer = http.request(method, daemon.url + concrete(path), timeout=20)
            assert answer.status_code == 405, (method, path, answer.status_code)
            assert set(answer.headers["Allow"].split(", ")) == offered | ({"HEAD"} if "GET" in offered else set()), path
            refused += 1
        if "GET" in offered and "{" not in path:
            head, get = (http.request(method, daemon.url + path, timeout=20) for method in ("HEAD", "GET"))
            assert head.status_code == get.status_code == 200 and head.content == b"", path
            assert head.headers["Content-Type"] == get.headers["Content-Type"], path
            heads += 1
    assert refused > 100 and heads > 3


def test_what_is_not_there_is_404_whatever_is_asked_of_it(daemon, document):
    http = requests.Session()
    tried = 0
    for path, item in document["paths"].items():
        if "{" not in path:
            continue
        for method, operation in item.items():
            if method == "parameters" or method == "put":      # PUT may create it: its parent is missing, below
                continue
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            example = None
            if body is not None:
                example = document["components"]["schemas"][body["schema"]["$ref"].rsplit("/", 1)[1]].get("examples", [None])[0]
            elif "requestBody" in operation:
                continue                                       # a form: below
            answer = http.request(method.upper(), daemon.url + concrete(path), json=example, timeout=20,
                                  headers={"Accept": "application/problem+json"})
            assert answer.status_code == 404, (method, path, answer.status_code, answer.text)
            problem = answer.json()
            assert problem["status"] == 404 and problem["kind"] == "not_found" and problem["detail"], path
            assert problem["request"] == answer.headers["X-Request-Id"]
            tried += 1
    assert tried > 60


def test_every_type_refuses_what_is_not_its_document(daemon, document, api):
    for kind in openapi.kinds(document):
        collection = concrete(kind.collection).removeprefix("/v2/")
        if kind.variables:
            answer = kind.send(api, "POST", collection, kind.example)
            assert answer.status_code == 404, (kind.name, answer.text)
        if kind.can_put:
            path = concrete(kind.item, "other").removeprefix("/v2/")
            answer = kind.send(api, "PUT", path, kind.example)
            assert answer.status_code == 400 and "the path says" in answer.text, (kind.name, answer.text)
        if kind.needs_form:
            assert api.post(collection, kind.example).status_code == 415, kind.name
            answer = api.request("POST", collection, files=[("metadata", (None, json.dumps(kind.example)))])
            assert answer.status_code == 422 and "file" in answer.text, (kind.name, answer.text)
        else:
            media = {"Content-Type": "multipart/form-data; boundary=x"}
            answer = api.request("POST", collection, data=b"--x--\r\n", headers=media)
            takes_form = "multipart/form-data" in document["paths"][kind.collection]["post"]["requestBody"]["content"]
            assert answer.status_code == (400 if takes_form else 415), (kind.name, answer.text)
            assert api.request("POST", collection, data=b" " * ((1 << 20) + 1)).status_code == 413, kind.name
            assert api.request("POST", collection, data=b"").status_code == 400, kind.name
            assert api.request("POST", collection, data=b"{").status_code == 422, kind.name
        # Members are found without case, and unknown ones are named.
        odd = {name.upper(): value for name, value in copy.deepcopy(kind.example).items()} | {"odd": 1}
        answer = kind.send(api, "POST", collection, odd)
        assert answer.status_code in (201, 404) and "/odd" in answer.headers["Warning"], (kind.name, answer.text)
        if answer.status_code == 201:
            assert api.delete(answer.headers["Location"].removeprefix("/v2/")).status_code == 204


def test_a_name_that_is_none_is_told_so_where_it_stands_in_a_path(api, unique):
    api.make("projects", named(unique))
    for name in ("-x", "a%20b", "x" * 129):
        for method in ("GET", "PUT", "DELETE"):
            answer = api.request(method, f"projects/{unique}/composite-apps/{name}/v1", json=named("x", compositeAppVersion="v1"))
            assert answer.status_code == 404 and "Names are 1 to 128 letters" in answer.text, (method, answer.text)
    assert "Names are" not in api.get("nothing/here").text


def test_a_document_that_is_none_is_called_the_document(api):
    answer = api.request("POST", "projects", data=b"[]")
    assert answer.status_code == 400 and answer.text == "the document: must be an object, got an array\n", answer.text
    answer = api.request("POST", "projects", json={"metadata": {"name": "a b", "description": 7}}, headers={"Accept": "application/problem+json"})
    assert len(answer.json()["errors"]) == 2 and "hint" not in answer.json()
