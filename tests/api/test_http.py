"""What HTTP wants of any server: targets, methods, versions, and what a client is told that does not keep to it."""
import contextlib
import json
import socket
import time

import pytest
import requests

ALL = {"GET", "HEAD", "POST", "PUT", "DELETE"}


class Answer:
    def __init__(self, text):
        head, _, self.body = text.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.code, self.reason = int(first.split()[1]), first.split(" ", 2)[2]
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


def say(port, request, seconds=20):
    """Send bytes, and read what comes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as link:
        link.sendall(request)
        text = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := link.recv(65536):
                text += piece
        return text


def ask(port, line, *headers, body=b""):
    head = "".join(f"{each}\r\n" for each in (line, "Host: x", "Connection: close", *headers)) + "\r\n"
    return Answer(say(port, head.encode() + body))


def test_a_full_url_is_its_path_whatever_authority_and_scheme_it_has(daemon, api, unique):
    for base in ("http://emco.example:9999", "http://emco.example", "https://emco.example:443", "https://emco.example", "HTTP://x:1",
                 f"http://emco.example:{daemon.port}", "http://[::1]:9999", "http://user@emco.example:9999"):
        answer = ask(daemon.port, f"GET {base}/v2/projects?limit=1 HTTP/1.1", "X-Request-Id: mine")
        assert answer.code == 200 and answer.headers["x-request-id"] == "mine", (base, answer.body)
        assert answer.headers["connection"] == "close" and json.loads(answer.body) is not None, base
        for path in ("", "/", "?limit=1"):
            assert ask(daemon.port, f"GET {base}{path} HTTP/1.1").code == 404, (base, path)
        assert ask(daemon.port, f"GET {base}/v2/projects?limit=x HTTP/1.1").code == 400, base
    body = json.dumps({"metadata": {"name": unique}}).encode()
    answer = ask(daemon.port, "POST http://emco.example:9999/v2/projects HTTP/1.1", f"Content-Length: {len(body)}", body=body)
    assert answer.code == 201 and api.get(f"projects/{unique}").status_code == 200


def test_a_target_of_no_path_is_told_so(daemon):
    for line in ("GET * HTTP/1.1", "GET v2/projects HTTP/1.1", "CONNECT emco.example:443 HTTP/1.1", "GET ftp://emco.example/v2 HTTP/1.1"):
        answer = ask(daemon.port, line)
        assert answer.code == 400 and b"must be a path" in answer.body, (line, answer.body)
        assert answer.headers["x-request-id"]


def test_options_of_the_server_as_a_whole_are_told(daemon):
    answer = ask(daemon.port, "OPTIONS * HTTP/1.1", "X-Request-Id: mine")
    assert answer.code == 204 and set(answer.headers["allow"].split(", ")) == ALL and answer.headers["x-request-id"] == "mine"


def test_what_follows_a_request_that_civetweb_does_not_route_is_a_request_of_its_own(daemon):
    """On a connection that was kept until then, too; the query of the one before is not taken for its own."""
    first = b"GET /v2/projects?limit=x HTTP/1.1\r\nHost: x\r\n\r\n"
    text = say(daemon.port, first + b"GET http://other:9/v2/projects HTTP/1.1\r\nHost: x\r\n\r\n" + first)
    assert text.count(b"HTTP/1.1 400 ") == 1 and text.count(b"HTTP/1.1 200 ") == 1, text
    text = say(daemon.port, first + b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n" + first)
    assert text.count(b"HTTP/1.1 400 ") == 1 and text.count(b"HTTP/1.1 204 ") == 1, text


@pytest.mark.parametrize("method", ["TRACE", "FOO", "get", "X" * 3000], ids=["TRACE", "FOO", "get", "long"])
def test_a_method_that_nobody_knows_is_405_with_those_that_are_offered(daemon, method):
    answer = ask(daemon.port, f"{method} /v2/projects HTTP/1.1")
    assert answer.code == 405 and set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}, answer.body
    assert answer.headers["x-request-id"] and b"is not offered here" in answer.body
    assert ask(daemon.port, f"{method} /v2/nothing HTTP/1.1").code == 404


def test_a_header_that_cannot_be_read_is_400_whatever_else_is_wrong(daemon):
    for line in ("GET http://other:9/v2/projects HTTP/1.1", "FOO /v2/projects HTTP/1.1", "GET /v2/projects HTTP/1.1"):
        answer = ask(daemon.port, line, "no header")
        assert answer.code == (405 if line.startswith("FOO") else 400), line


def test_another_version_is_505_and_keeps_the_id(daemon):
    answer = ask(daemon.port, "GET /v2/projects HTTP/2.0", "X-Request-Id: mine")
    assert (answer.code, answer.reason, answer.headers["x-request-id"]) == (505, "HTTP Version Not Supported", "mine")


def test_a_body_that_stalls_is_408_and_one_that_ends_early_is_400(make_daemon, unique):
    server = make_daemon(options={"request_timeout_ms": 1500}).start()
    body = json.dumps({"metadata": {"name": unique}}).encode()
    for length, first in ((f"Content-Length: {len(body) + 5}", body), ("Transfer-Encoding: chunked", b"%x\r\n%s\r\n" % (len(body), body)),
                          ("Transfer-Encoding: chunked", b"%x\r\n%s" % (len(body) + 5, body)), ("Content-Length: 10", b"")):
        head = f"POST /v2/projects HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n{length}\r\n\r\n".encode()
        begun = time.monotonic()
        answer = Answer(say(server.port, head + first))
        assert answer.code == 408 and answer.reason == "Request Timeout" and b"too slowly" in answer.body, (length, answer.body)
        assert answer.headers["connection"] == "close" and answer.headers["x-request-id"] == "mine"
        assert 1 < time.monotonic() - begun < 6
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as link:
            link.sendall(head + first)
            link.shutdown(socket.SHUT_WR)
            answer = Answer(link.recv(65536))
        assert answer.code == 400 and b"ends early" in answer.body, (length, answer.body)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as link:      # it never stalls, and is late all the same
        link.sendall(b"POST /v2/projects HTTP/1.1\r\nHost: x\r\nAccept: application/problem+json\r\nContent-Length: 100\r\n\r\n")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(25):
                link.sendall(b" ")
                time.sleep(0.1)
        answer = Answer(link.recv(65536))
    assert answer.code == 408 and json.loads(answer.body)["status"] == 408 and json.loads(answer.body)["kind"] == "deadline"
    assert server.client().get(f"projects/{unique}").status_code == 404


def test_an_event_stream_and_its_faults_have_the_id_of_the_request_and_the_form_it_asks_for(daemon, api, unique):
    base = f"http://127.0.0.1:{daemon.events_port}/v2/projects/{unique}/composite-apps/ca/v1/deployment-intent-groups/d/status?watch=true"
    headers = {"X-Request-Id": "mine", "Accept": "text/event-stream, application/problem+json"}
    for method, url in (("GET", base), ("GET", base[:-4] + "maybe"), ("POST", base)):
        answer = requests.request(method, url, headers=headers, timeout=20)
        problem = answer.json()
        assert answer.headers["Content-Type"] == "application/problem+json" and answer.headers["X-Request-Id"] == "mine"
        assert problem["status"] == answer.status_code and problem["request"] == "mine" and problem["detail"], (method, url)
        plain = requests.request(method, url, headers={"X-Request-Id": "not one word"}, timeout=20)
        assert plain.status_code == answer.status_code and plain.headers["Content-Type"].startswith("text/plain")
        assert plain.headers["X-Request-Id"] not in ("", "not one word")
    api.make("projects", {"metadata": {"name": unique}})
    api.make(f"projects/{unique}/composite-apps", {"metadata": {"name": "ca"}, "spec": {"compositeAppVersion": "v1"}})
    api.make(f"projects/{unique}/composite-apps/ca/v1/deployment-intent-groups",
             {"metadata": {"name": "d"}, "spec": {"compositeProfile": "p", "version": "r", "logicalCloud": "l"}})
    with requests.get(base, headers=headers, timeout=20, stream=True) as answer:
        assert answer.status_code == 200 and answer.headers["X-Request-Id"] == "mine"
