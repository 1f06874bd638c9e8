"""Answers as gzip: who gets them, that they hold the same bytes, and their entity tags."""
import gzip
import os
import socket

import pytest

from emco import chart, named

PLAIN, GZIP = {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip"}


@pytest.fixture
def long(api, unique):
    """A project whose document is worth compressing."""
    body = {"metadata": {"name": unique, "description": "long " * 200, "userData1": "x" * 500}}
    assert api.post("projects", body).status_code == 201
    return f"projects/{unique}", body


def test_text_is_compressed_for_those_who_take_it(api, long, daemon):
    path = long[0]
    plain, packed = api.get(path, headers=PLAIN), api.get(path, headers=GZIP)
    assert "Content-Encoding" not in plain.headers and plain.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["Content-Encoding"] == "gzip" and packed.headers["Vary"] == "Accept-Encoding"
    assert packed.content == plain.content
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) // 4
    head = api.request("HEAD", path, headers=GZIP)
    assert head.headers["Content-Length"] == packed.headers["Content-Length"] and head.headers["Content-Encoding"] == "gzip"
    for refusal in ("gzip;q=0", "identity;q=0.5, *;q=0", "br"):
        assert "Content-Encoding" not in api.get(path, headers={"Accept-Encoding": refusal}).headers
    for url in (daemon.url + "/metrics", daemon.url + "/v2/openapi.json"):
        assert api.http.get(url, headers=GZIP, timeout=10).headers["Content-Encoding"] == "gzip"
    short = api.get("projects?limit=1&continue=" + "z" * 100, headers=GZIP)
    assert "Content-Encoding" not in short.headers and "Vary" not in short.headers


def test_faults_are_compressed_like_other_text(api):
    body = {"metadata": {"name": "d"}, "spec": {"compositeProfile": "cp", "version": "r1", "logicalCloud": "lc",
                                                "overrideValues": [{"app": "a b", "values": 5}] * 8}}
    for accept in ("application/problem+json", "*/*"):
        answer = api.post("projects/p/composite-apps/ca/v1/deployment-intent-groups", body, headers={**GZIP, "Accept": accept})
        assert answer.status_code == 400 and answer.headers["Content-Encoding"] == "gzip", answer.text
        assert answer.text.count("/spec/overrideValues/7/") >= 2


def test_a_tag_of_either_coding_names_the_version(api, long):
    path, body = long
    plain, packed = (api.get(path, headers=coding).headers["ETag"] for coding in (PLAIN, GZIP))
    assert packed == plain[:-1] + '-gzip"'
    for coding, tag in ((PLAIN, plain), (GZIP, packed)):
        for known in (plain, packed):
            answer = api.get(path, headers={**coding, "If-None-Match": known})
            assert (answer.status_code, answer.headers["ETag"], answer.content) == (304, tag, b"")
            assert "Content-Encoding" not in answer.headers
    answer = api.put(path, body, headers={**GZIP, "If-Match": packed})
    assert answer.status_code == 200 and answer.headers["ETag"].endswith('-gzip"')
    assert api.put(path, body, headers={"If-Match": packed}).status_code == 412
    assert api.put(path, body, headers={"If-Match": answer.headers["ETag"]}).status_code == 200


def test_files_are_sent_as_they_are(api, unique):
    api.make("projects", named(unique))
    api.make(f"projects/{unique}/composite-apps", named("ca", compositeAppVersion="v1"))
    app = f"projects/{unique}/composite-apps/ca/v1/apps"
    content = chart("web", {"map.yaml": "# " + os.urandom(4096).hex()})
    api.make(app, named("web"), content)
    for accept in ("application/octet-stream", "multipart/form-data"):
        answer = api.get(f"{app}/web", headers={**GZIP, "Accept": accept})
        assert "Content-Encoding" not in answer.headers and content in answer.content


def test_a_long_list_is_compressed_while_it_is_read(api, unique, daemon):
    api.make("projects", named(unique))
    path = f"projects/{unique}/composite-apps"
    for number in range(200):
        body = named(f"ca{number}", compositeAppVersion="v1")
        body["metadata"]["description"] = f"{number} " * 200
        api.make(path, body)
    plain = api.get(path, headers=PLAIN)
    packed = api.get(path, headers=GZIP)
    assert packed.headers["Transfer-Encoding"] == "chunked" and packed.headers["Content-Encoding"] == "gzip"
    assert packed.content == plain.content and len(packed.json()) == 200
    assert api.get(path, headers=GZIP).content == plain.content          # the connection goes on

    with socket.create_connection(("127.0.0.1", daemon.port), timeout=20) as link:      # HTTP/1.0: until it closes
        link.sendall(f"GET /v2/{path} HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n".encode())
        answer = b""
        while chunk := link.recv(65536):
            answer += chunk
    head, body = answer.split(b"\r\n\r\n", 1)
    assert b"Transfer-Encoding" not in head and len(body) < len(plain.content) // 10
    assert gzip.decompress(body) == plain.content


def test_it_can_be_turned_off(make_daemon, unique):
    api = make_daemon(options={"gzip_min_bytes": 0}).start().client()
    answer = api.get("openapi.json", headers=GZIP)
    assert "Content-Encoding" not in answer.headers and "Vary" not in answer.headers
