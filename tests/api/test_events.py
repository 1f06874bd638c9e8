"""Event streams: GET .../status?watch=true."""
import contextlib
import json
import re
import socket
import time

import pytest
import requests

from conftest import wait_for
from emco import named


class Stream:
    """A client that follows the redirect and reads events: (event, id, data)."""

    def __init__(self, daemon, path, query="", **headers):
        first = requests.get(f"{daemon.url}/v2/{path}/status?watch=true{query}", timeout=20, allow_redirects=False)
        assert first.status_code == 307, first.text
        self.answer = requests.get(first.headers["Location"], timeout=30, stream=True, headers=headers)
        self.lines = iter(self.answer.raw._fp.readline, b"")        # of urllib3: the only reader that does not wait to fill a buffer

    def next(self):
        event = {}
        for line in map(bytes.strip, self.lines):
            if not line and event:
                return event.get("event"), event.get("id"), event.get("data")
            if line and not line.startswith(b":"):
                name, value = line.decode().split(": ", 1)
                event[name] = value
        return None

    def status(self):
        event, _, data = self.next()
        assert event == "status"
        return json.loads(data)

    def close(self):
        self.answer.close()


@pytest.fixture
def group(api, unique):
    """Nothing to deploy, but a state to go through."""
    api.make("projects", named(unique))
    api.make(f"projects/{unique}/composite-apps", named("ca", compositeAppVersion="v1"))
    groups = f"projects/{unique}/composite-apps/ca/v1/deployment-intent-groups"
    api.make(groups, named("d", compositeProfile="cp", version="r1", logicalCloud="lc"))
    return f"{groups}/d"


def test_the_status_comes_at_once_and_whenever_it_changes_until_its_end(daemon, api, group):
    stream, summary = Stream(daemon, group), Stream(daemon, group, "&output=summary")
    assert stream.answer.headers["Content-Type"] == "text/event-stream"
    plain = api.get(f"{group}/status").json()
    assert stream.status() == plain
    assert [action["state"] for action in summary.status()["states"]["actions"]] == ["Created"]
    begun = time.monotonic()
    api.make(f"{group}/approve")
    for each in (stream, summary):
        assert [action["state"] for action in each.status()["states"]["actions"]] == ["Created", "Approved"]
    assert time.monotonic() - begun < 5
    assert api.delete(group).status_code == 204
    assert api.get(f"{group}/status").status_code == 404
    for each in (stream, summary):
        event, _, why = each.next()
        assert event == "end" and "does not exist" in why
        assert each.next() is None


def test_a_logical_cloud_is_watched_as_a_deployment_is(daemon, api, unique):
    api.make("projects", named(unique))
    api.make(f"projects/{unique}/logical-clouds", named("lc", level="0"))
    cloud = f"projects/{unique}/logical-clouds/lc"
    stream = Stream(daemon, cloud)
    assert stream.status() == api.get(f"{cloud}/status").json()
    api.make("cluster-providers", named(unique))
    api.make(f"cluster-providers/{unique}/clusters", named("one", gitOps={"gitOpsType": "fluxcd", "gitOpsReferenceObject": "r"}))
    api.make(f"{cloud}/cluster-references", named("r", clusterProvider=unique, cluster="one"))
    api.make(f"{cloud}/instantiate")
    assert [action["state"] for action in stream.status()["states"]["actions"]] == ["Created", "Instantiated"]
    stream.close()


def test_a_stream_with_nothing_to_tell_is_kept_alive(daemon, group):
    """By a comment, each 15 seconds: else what stands between takes it for dead."""
    stream = Stream(daemon, group)
    stream.status()
    begun = time.monotonic()
    line = next(line for line in stream.lines if line.strip())
    assert line.startswith(b":") and 14 < time.monotonic() - begun < 20
    stream.close()


def test_news_are_told_when_they_come(daemon, api, group):
    """What is looked at in turn anyway, four times a second, does not count."""
    stream, took = Stream(daemon, group), []
    stream.status()
    for _ in range(9):
        begun = time.monotonic()
        daemon.sql(f"""INSERT INTO action (owner, seq, state) SELECT owner, max(seq) + 1, 'Created' FROM action WHERE owner =
            (SELECT id FROM resource WHERE path = '{group}') GROUP BY owner RETURNING pg_notify('emcod', '2')""")
        stream.status()
        took.append(time.monotonic() - begun)
    assert sorted(took)[4] < 0.15, took


def test_who_reads_steadily_gets_a_large_event_as_fast_as_he_reads(daemon, api, group):
    """By the turns alone he would get what buffers hold each quarter of a second."""
    daemon.sql(f"""INSERT INTO action (owner, seq, state) SELECT owner, seq + n, state FROM action, generate_series(1, 30000) AS n
        WHERE owner = (SELECT id FROM resource WHERE path = '{group}') RETURNING 1""")
    with socket.socket() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        link.connect(("127.0.0.1", daemon.events_port))
        link.sendall(f"GET /v2/{group}/status?watch=true HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        link.settimeout(20)
        size, end = len(link.recv(4096)), b""
        begun = time.monotonic()
        while not end.endswith(b"\n\n"):
            time.sleep(0.0005)
            piece = link.recv(16384)
            size, end = size + len(piece), (end + piece)[-2:]
        took = time.monotonic() - begun
    assert size > 2_000_000 and took < 2.5, (size, took)


def test_what_cannot_be_watched_is_refused(daemon, api, group):
    answer = api.get(f"{group}/status?watch=maybe")
    assert answer.status_code == 400 and '"watch"' in answer.text
    assert api.get(f"{group}/status?watch=false").status_code == 200
    assert api.get(f"{group}?watch=true").headers["Warning"].endswith('unknown parameter watch ignored"')
    base = f"http://127.0.0.1:{daemon.events_port}/v2/"
    for path, code in ((f"{group}x/status?watch=true", 404), (f"{group}/status", 400), (f"{group}/status?watch=false", 400),
                       (f"{group}?watch=true", 404), ("projects?watch=true", 404), (f"{group}/status?watch=true&output=x", 400),
                       (f"{group}/status?watch=true&a=1;b", 400), (f"{group}%2fx/status?watch=true", 404)):
        answer = requests.get(base + path, timeout=20)
        assert answer.status_code == code and answer.headers["X-Request-Id"] and answer.text, (path, answer.status_code)
    assert requests.post(base + f"{group}/status?watch=true", timeout=20).status_code == 400
    for head in (b"\0" * 10 + b"\r\n\r\n", b"GET /" + b"x" * 9000, b"GET /v2 HTTP/1.1\r\nA: \0\r\n\r\n", b"nonsense\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", daemon.events_port), timeout=20) as link:
            link.sendall(head)
            assert link.recv(4096).startswith(b"HTTP/1.1 400 "), head


def test_the_host_is_the_one_the_client_called(daemon, api, group):
    for host, want in (("emco.example:9015", "emco.example"), ("[::1]:9015", "[::1]"), ("emco.example", "emco.example"),
                       ("a/b@c", "127.0.0.1")):
        answer = api.get(f"{group}/status?watch=true&output=summary", headers={"Host": host}, allow_redirects=False)
        assert answer.headers["Location"] == f"http://{want}:{daemon.events_port}/v2/{group}/status?watch=true&output=summary"
    long = api.get(f"{group}/status?watch=true{''.join('&app=' + letter * 100 for letter in 'abcdefghij')}", allow_redirects=False)
    assert long.status_code == 413 and "address" in long.text


def test_one_too_many_is_told_to_come_again(make_daemon):
    daemon = make_daemon(options={"event_streams": 2}).start()
    api = daemon.client()
    api.make("projects", named("p"))
    api.make("projects/p/composite-apps", named("ca", compositeAppVersion="v1"))
    groups = "projects/p/composite-apps/ca/v1/deployment-intent-groups"
    api.make(groups, named("d", compositeProfile="cp", version="r1", logicalCloud="lc"))
    open_ones = [Stream(daemon, f"{groups}/d") for _ in range(2)]
    for stream in open_ones:
        assert stream.status()["states"]["actions"]
    third = Stream(daemon, f"{groups}/d")
    assert third.answer.status_code == 503 and third.answer.headers["Retry-After"] == "1"
    open_ones[0].close()
    wait_for(lambda: Stream(daemon, f"{groups}/d").answer.status_code == 200, 20, "a free stream")
    # The server's end is theirs.
    daemon.process.terminate()
    event, _, why = open_ones[1].next()
    assert event == "end" and why == "the server stops"
    assert daemon.process.wait(30) == 0


def test_who_does_not_read_is_dropped_and_holds_nobody_up(make_daemon):
    daemon = make_daemon().start()
    api = daemon.client()
    api.make("projects", named("p"))
    api.make("projects/p/composite-apps", named("ca", compositeAppVersion="v1"))
    groups = "projects/p/composite-apps/ca/v1/deployment-intent-groups"
    api.make(groups, named("d", compositeProfile="cp", version="r1", logicalCloud="lc"))
    daemon.sql("""INSERT INTO action (owner, seq, state, instance, status_context, revision, at)
        SELECT owner, seq + n, state, instance, status_context, revision, at FROM action, generate_series(1, 20000) AS n RETURNING 1""")
    path = f"/v2/{groups}/d/status?watch=true"
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.connect(("127.0.0.1", daemon.events_port))
        silent.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        reading = Stream(daemon, f"{groups}/d")
        assert len(reading.status()["states"]["actions"]) == 20001

        def streams():
            with open("/proc/net/tcp", encoding="ascii") as table:
                return len(re.findall(rf"^ *\d+: 0100007F:{daemon.events_port:04X} \S+ 01 ", table.read(), re.M))
        assert streams() == 2, "the silent one is served too"
        api.make(f"{groups}/d/approve")
        assert reading.status()["states"]["actions"][-1]["state"] == "Approved"
        assert streams() == 2, "nobody had to wait for the end of the silent one"
        wait_for(lambda: streams() == 1, 30, "the end of the silent one")


def test_who_says_more_than_his_request_is_dropped(make_daemon):
    daemon = make_daemon().start()
    api = daemon.client()
    api.make("projects", named("p"))
    api.make("projects/p/composite-apps", named("ca", compositeAppVersion="v1"))
    groups = "projects/p/composite-apps/ca/v1/deployment-intent-groups"
    api.make(groups, named("d", compositeProfile="cp", version="r1", logicalCloud="lc"))
    with socket.create_connection(("127.0.0.1", daemon.events_port), timeout=20) as talker:
        talker.sendall(f"GET /v2/{groups}/d/status?watch=true HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert talker.recv(8).startswith(b"HTTP/1.1")
        talker.sendall(b"and on")
        with contextlib.suppress(ConnectionResetError):
            while talker.recv(65536):
                continue


def test_who_comes_back_with_the_current_version_gets_no_repeat(make_daemon):
    daemon = make_daemon().start()
    api = daemon.client()
    api.make("projects", named("p"))
    api.make("projects/p/composite-apps", named("ca", compositeAppVersion="v1"))
    group = "projects/p/composite-apps/ca/v1/deployment-intent-groups/d"
    api.make(group.rsplit("/", 1)[0], named("d", compositeProfile="cp", version="r1", logicalCloud="lc"))
    first = Stream(daemon, group)
    _, known, text = first.next()
    first.close()
    # Also to another process: the version is the content's.
    daemon.stop()
    daemon.start()
    back, new, stale = (Stream(daemon, group, **headers) for headers in
                        ({"Last-Event-ID": known}, {}, {"Last-Event-ID": "0" * len(known)}))
    assert back.answer.status_code == 200
    assert new.next() == ("status", known, text)
    assert stale.next() == ("status", known, text)
    api.make(f"{group}/approve")
    _, version, text = back.next()
    assert version != known and json.loads(text)["states"]["actions"][-1]["state"] == "Approved", "the first it gets is news"
    late = Stream(daemon, group, **{"last-event-id": known})
    assert late.next() == ("status", version, text)


def test_a_refusal_arrives_however_much_was_sent(daemon):
    for extra in (2000, 60000, 200000):
        with socket.create_connection(("127.0.0.1", daemon.events_port), timeout=20) as link:
            link.sendall(b"GET /" + b"x" * (8187 + extra))
            answer = b""
            while piece := link.recv(4096):          # a reset would raise
                answer += piece
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.endswith(b"8192 bytes\n"), extra


def test_all_who_come_back_at_once_are_served(daemon, api, group):
    path = f"/v2/{group}/status?watch=true"
    with contextlib.ExitStack() as stack:
        links = [stack.enter_context(socket.create_connection(("127.0.0.1", daemon.events_port), timeout=20)) for _ in range(600)]
        for link in links:
            link.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for link in links:
            assert link.recv(15) == b"HTTP/1.1 200 OK"
