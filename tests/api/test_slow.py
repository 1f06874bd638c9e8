"""Clients that keep a thread waiting: with half a head, or with an answer that they hardly read.  Others must not notice."""
import contextlib
import os
import random
import socket
import threading
import time

import pytest
import requests

from conftest import wait_for
from emco import archive, named

THREADS = 16
LARGE = 8 << 20


def connect(port, receive_bytes=None):
    link = socket.socket()
    if receive_bytes:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    link.settimeout(20)
    link.connect(("127.0.0.1", port))
    return link


@contextlib.contextmanager
def many(count, make):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(make()) for _ in range(count)]


def usual(url, times=20):
    """How long a read takes, of so many, each on a connection of its own: what the machine does for a moment is no fault."""
    took = []
    for _ in range(times):
        begun = time.monotonic()
        answer = requests.get(url, timeout=20)
        took.append(time.monotonic() - begun)
        assert answer.status_code == 200, answer.text
    return sorted(took)[times // 2]


def half_head(server, before=b""):
    link = connect(server.port)
    link.sendall(before + b"GET /v2/projects HTTP/1.1\r\nHost: ")
    return link


def silent(server):
    return connect(server.port)


def kept(server):
    """It has had an answer, and begins another request."""
    return half_head(server, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")


@pytest.mark.parametrize("make", [half_head, silent, kept])
def test_500_heads_that_stall_hold_nobody_up(make_daemon, make):
    server = make_daemon().start()
    with many(500, lambda: make(server)):
        for url in (server.url + "/healthz", server.url + "/v2/projects?limit=1", server.health_url + "/healthz"):
            assert usual(url) < 1, url


def test_500_heads_that_stall_on_the_port_for_health_do_not_hold_it_up_for_long(make_daemon):
    server = make_daemon().start()
    with many(500, lambda: connect(int(server.health_url.rsplit(":", 1)[1]))) as links:
        for link in links:
            link.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert usual(server.health_url + "/healthz", 3) < 6


def test_who_stalls_while_others_wait_is_told_408(make_daemon):
    server = make_daemon(options={"threads": 4}).start()
    with many(8, lambda: half_head(server)) as links:
        assert links[0].recv(4096).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert usual(server.url + "/healthz") < 1


def test_half_a_head_behind_an_answer_is_told_408_too(daemon):
    with connect(daemon.port) as link:
        link.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert link.recv(4096).startswith(b"HTTP/1.1 200 ")
        link.sendall(b"GET /v2/proj")
        assert link.recv(4096).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def post(link, name, chunked=False):
    """The head alone; what sends the rest."""
    body = b'{"metadata":{"name":"%s"}}' % name.encode()
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    link.sendall(b"POST /v2/projects HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % length)
    return lambda: link.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body)


def test_bodies_that_come_a_moment_later_are_waited_for(make_daemon):
    """More at one time than there are slots, after a rest in which none came free."""
    server = make_daemon(options={"threads": 32}).start()
    for turn in range(3):
        time.sleep(0.3)
        with many(24, lambda: connect(server.port)) as links:
            rests = [post(link, f"p{turn}-{number}") for number, link in enumerate(links)]
            for rest in rests:
                rest()
            assert {link.recv(12) for link in links} == {b"HTTP/1.1 201"}


def test_bodies_of_known_length_leave_room_for_those_without(make_daemon):
    server = make_daemon(options={"threads": THREADS}).start()
    with many(THREADS // 2 - 1, lambda: connect(server.port)) as links, connect(server.port) as other:
        for number, link in enumerate(links):
            post(link, f"slow{number}")
        post(other, "chunked", chunked=True)()
        assert other.recv(12) == b"HTTP/1.1 201"


def test_who_comes_with_his_request_just_as_he_is_to_leave_is_served_or_told_so(make_daemon):
    """Never that his body ended early, which it did not; and what is to be the last answer says so."""
    server = make_daemon(options={"threads": 4}).start()
    wrong, ends = [], time.monotonic() + 5

    def come_again(name):
        link = connect(server.port)
        while time.monotonic() < ends and not wrong:
            time.sleep(random.uniform(0.006, 0.022))
            try:
                rest = post(link, f"{name}-{random.getrandbits(60)}")
                time.sleep(0.001)
                rest()
                answer = link.recv(4096)
            except OSError:
                answer = b""
            if answer[:12] not in (b"HTTP/1.1 201", b"HTTP/1.1 503", b"HTTP/1.1 408", b""):
                wrong.append(answer)
            if not answer or b"Connection: close" in answer:
                link.close()
                link = connect(server.port)
        link.close()
    threads = [threading.Thread(target=come_again, args=(f"t{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong, wrong[0]
    assert server.count("resource", "type = 'project'") > 100


def test_a_head_has_time_while_nobody_waits(daemon):
    with half_head(daemon) as link:
        time.sleep(1)
        link.sendall(b"x\r\n")
        time.sleep(1)
        link.sendall(b"\r\n")
        assert link.recv(100).startswith(b"HTTP/1.1 200 ")


def test_more_clients_than_threads_that_come_again_and_again_are_all_served(make_daemon):
    """Each keeps its connection; the idle make room."""
    server = make_daemon(options={"threads": 4}).start()
    sessions = [requests.Session() for _ in range(12)]
    begun = time.monotonic()
    for _ in range(5):
        for session in sessions:
            assert session.get(server.url + "/v2/projects", timeout=20).status_code == 200
        time.sleep(0.2)
    assert time.monotonic() - begun < 10


@pytest.fixture
def files(make_daemon):
    """A server of few threads, and the path of a large file on it."""
    server = make_daemon(options={"threads": THREADS}).start()
    api = server.client()
    api.make("projects", named("p"))
    api.make("projects/p/composite-apps", named("ca", compositeAppVersion="v1"))
    content = archive({f"web/{number}": os.urandom(1 << 20) for number in range(LARGE >> 20)})
    api.make("projects/p/composite-apps/ca/v1/apps", named("web"), content)
    server.large = "/v2/projects/p/composite-apps/ca/v1/apps/web"
    server.content = content
    return server


def ask_for(server, path, accept="application/octet-stream"):
    link = connect(server.port, 8192)
    link.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n".encode())
    return link


class Trickle(threading.Thread):
    """Reads all links, 20 KB a second each, until it is told to stop."""

    def __init__(self, links):
        super().__init__()
        self.links, self.stop, self.ended = links, threading.Event(), set()

    def run(self):
        while not self.stop.wait(0.1):
            for link in self.links:
                if link not in self.ended:
                    with contextlib.suppress(BlockingIOError):
                        try:
                            if not link.recv(2048, socket.MSG_DONTWAIT):
                                self.ended.add(link)
                        except ConnectionResetError:
                            self.ended.add(link)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.join()


def list_of_many(server):
    """A list of 8 MB."""
    server.client().make("projects/p/composite-apps", {"metadata": {"name": "a0000", "description": "x" * 1000},
                                                        "spec": {"compositeAppVersion": "v1"}})
    server.postgres.sql("""INSERT INTO resource (path, type, parent, name, doc) SELECT replace(path, 'a0000', n), type, parent,
        replace(name, 'a0000', n), replace(doc, 'a0000', n) FROM resource, (SELECT 'a' || lpad(i::text, 4, '0') AS n
        FROM generate_series(1, 7000) AS i) AS n WHERE path = 'projects/p/composite-apps/a0000/v1'""", server.database)
    return "/v2/projects/p/composite-apps"


@pytest.mark.parametrize("what", ["file", "list"])
def test_slow_readers_hold_a_part_of_the_threads_and_not_for_long_when_others_want_theirs(files, what):
    path = files.large if what == "file" else list_of_many(files)
    accept = {"Accept": "application/octet-stream" if what == "file" else "application/json"}
    with many(THREADS * 3, lambda: ask_for(files, path, accept["Accept"])) as links, Trickle(links) as trickle:
        begun = time.monotonic()
        wait_for(lambda: len(links) - len(trickle.ended) <= THREADS - THREADS // 8, 20, "the end of those without a slot")
        answer = requests.get(files.url + path, headers=accept, timeout=20)
        assert answer.status_code == 503 and answer.headers["Retry-After"] and "too many large answers" in answer.text
        assert "ETag" not in answer.headers
        assert usual(files.url + "/healthz") < 1
        assert usual(files.url + "/v2/projects?limit=1") < 1
        slow = len(links) - len(trickle.ended)
        assert slow >= THREADS // 4
        assert files.client().post("projects", named("others-write", description="x" * 10000)).status_code == 201
        wait_for(lambda: requests.get(files.url + path, headers=accept, timeout=20).status_code == 200,
                 60, "the end of slow readers")
        assert time.monotonic() - begun > 9                             # they had their ten seconds
        wait_for(lambda: len(links) - len(trickle.ended) < slow, 10, "the end of one of them")
        assert usual(files.url + "/v2/projects?limit=1") < 1


def test_who_reads_slowly_and_steadily_gets_it_all(files):
    with ask_for(files, files.large) as link:
        text = b""
        while piece := link.recv(65536):
            text += piece
            time.sleep(len(piece) / 600_000)
    head, body = text.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200 ") and body == files.content


def test_small_answers_that_nobody_takes_hold_nobody_up(files):
    groups = "projects/p/composite-apps/ca/v1/deployment-intent-groups"
    files.client().make(groups, named("d", compositeProfile="cp", version="r1", logicalCloud="lc",
                                      overrideValues=[{"app": "web", "values": {f"v{number}": "x" * 100}} for number in range(160)]))
    ask = f"GET /v2/{groups}/d HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 400

    def deaf():
        link = connect(files.port, 4096)
        link.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            link.sendall(ask)
        return link
    with many(THREADS * 2, deaf):
        time.sleep(0.5)
        assert usual(files.url + "/healthz") < 2                      # as many as there are threads begin at one time
        assert usual(files.url + "/v2/projects?limit=1") < 1


def gauge(server, name):
    text = requests.get(server.health_url + "/metrics", timeout=20).text
    return float(next(line for line in text.splitlines() if line.startswith(name + " ")).split()[1])


def test_answers_in_memory_are_bounded_together_and_small_ones_are_never_refused(files):
    limit = 40 << 20
    files.stop()
    files.options["answer_limit_bytes"] = limit
    files.options["threads"] = 64
    files.start()
    with many(24, lambda: ask_for(files, files.large)) as links:
        assert requests.get(files.url + "/v2/projects/p", timeout=20).status_code == 200
        wait_for(lambda: gauge(files, "emco_http_answer_bytes") > LARGE, 20, "the first answer")
        heads = [link.recv(12) for link in links]
        assert 1 <= heads.count(b"HTTP/1.1 200") <= 2 and set(heads) == {b"HTTP/1.1 200", b"HTTP/1.1 503"}, heads
        assert LARGE < gauge(files, "emco_http_answer_bytes") <= limit
        answer = requests.get(files.url + files.large, headers={"Accept": "application/octet-stream"}, timeout=20)
        assert answer.status_code == 503 and answer.headers["Retry-After"] and "at once" in answer.text
        assert requests.get(files.url + "/v2/projects", timeout=20).status_code == 200
    wait_for(lambda: gauge(files, "emco_http_answer_bytes") == 0, 20, "the end of all answers")
    answer = requests.get(files.url + files.large, headers={"Accept": "application/octet-stream"}, timeout=20)
    assert answer.content == files.content


def test_a_view_larger_than_the_bound_goes_alone(files):
    api = files.client()
    api.make("cluster-providers", named("p"))
    api.make("cluster-providers/p/clusters", named("c00000", gitOps={"gitOpsType": "fluxcd", "gitOpsReferenceObject": "r"}))
    files.postgres.sql("""INSERT INTO resource (path, type, parent, name, doc) SELECT replace(path, 'c00000', n), type, parent,
        n, replace(doc, 'c00000', n) FROM resource, (SELECT 'c' || lpad(i::text, 5, '0') AS n
        FROM generate_series(1, 40000) AS i) AS n WHERE path = 'cluster-providers/p/clusters/c00000'""", files.database)
    files.stop()
    files.options["answer_limit_bytes"] = 1 << 20
    files.start()
    answer = requests.get(files.url + "/v2/cluster-providers/p/clusters?withLabels=true", timeout=20)
    assert answer.status_code == 200 and len(answer.content) > 1 << 20, answer.text[:200]


def test_an_answer_larger_than_the_bound_goes_alone(files):
    files.stop()
    files.options["answer_limit_bytes"] = 1 << 20
    files.start()
    answer = requests.get(files.url + files.large, headers={"Accept": "application/octet-stream"}, timeout=20)
    assert answer.content == files.content
    wait_for(lambda: gauge(files, "emco_http_answer_bytes") == 0, 20, "the end of the answer")
    with ask_for(files, files.large) as link:
        assert link.recv(12) == b"HTTP/1.1 200"
        assert requests.get(files.url + files.large, headers={"Accept": "application/octet-stream"}, timeout=20).status_code == 503
        assert requests.get(files.url + "/v2/projects", timeout=20).status_code == 200
