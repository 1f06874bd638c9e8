"""The server as a whole: its configuration, its limits, slow and broken clients, a database that goes away."""
import concurrent.futures
import contextlib
import os
import re
import socket
import subprocess
import time

import pytest
import requests

from conftest import SOURCE, Postgres, wait_for
from emco import Scene, named, simple_chart


def raw(port, request, seconds=20):
    """Send bytes, close our side, read the answer to its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as link:
        link.sendall(request)
        link.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := link.recv(65536):
            answer += chunk
        return answer


def raw_unread(port, request, seconds=20):
    """The same of a request that is refused before it is read wholly: the connection is reset, after the answer."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as link, \
            contextlib.suppress(BrokenPipeError, ConnectionResetError):
        link.sendall(request)
        while chunk := link.recv(65536):
            answer += chunk
    return answer


def test_health_readiness_metrics_and_openapi_are_there(daemon, api):
    for base in (daemon.url, daemon.health_url):
        assert requests.get(base + "/healthz", timeout=5).status_code == 200
        assert requests.get(base + "/readyz", timeout=5).status_code == 200
    api.get("projects")
    metrics = requests.get(daemon.url + "/metrics", timeout=5).text
    assert "emco_build" in metrics and "# TYPE" in metrics
    document = api.get("openapi.json").json()
    assert document["openapi"].startswith("3.1") and "/v2/projects" in "".join(document["paths"])
    named = {path.rsplit("/", 1)[1] + ":" + p["name"] for path, operations in document["paths"].items()
             for operation in operations.values() if isinstance(operation, dict) for p in operation.get("parameters", []) if "name" in p}
    assert {"clusters:label", "clusters:limit", "profiles:app", "status:output", "status:app", "abandon:force"} <= named
    assert "{appProfile}:app" not in named


def series(daemon, project):
    """The series of one project's objects: {metric: [labels]}."""
    found = {}
    for line in requests.get(daemon.url + "/metrics", timeout=5).text.splitlines():
        match = re.fullmatch(r"(emco_\w+)\{(.*)\} 1", line)
        labels = dict(re.findall(r'(\w+)="([^"]*)"', match[2])) if match else {}
        if project in (labels.get("project"), labels.get("name")):
            found.setdefault(match[1], []).append(labels)
    return found


def test_each_object_has_a_series_until_it_is_deleted(daemon, api, unique, remote):
    scene = Scene(api, unique).clusters({"one": remote("one")}).cloud().apps({"web": simple_chart("web"), "db": simple_chart("db")})
    api.make(f"{scene.version}/apps/web/dependency", named("on-db", app="db", opStatus="Deployed"))
    scene.deployment({"web": scene.by_name("one")})
    version = {"project": scene.project, "composite_app": "ca", "composite_app_version": "v1"}
    group = {**version, "deployment_intent_group": "dig"}
    assert series(daemon, scene.project) == {
        "emco_project": [{"name": scene.project}],
        "emco_composite_app": [{"project": scene.project, "name": "ca", "version": "v1"}],
        "emco_app": [{**version, "name": "db"}, {**version, "name": "web"}],
        "emco_dependency": [{**version, "app": "web", "name": "on-db"}],
        "emco_composite_profile": [{**version, "name": "cp"}],
        "emco_app_profile": [{**version, "composite_profile": "cp", "name": app} for app in ("db", "web")],
        "emco_deployment_intent_group": [{**version, "name": "dig"}],
        "emco_generic_placement_intent": [{**group, "name": "gpi"}],
        "emco_generic_app_placement_intent": [{**group, "generic_placement_intent": "gpi", "name": "web"}],
    }
    assert api.delete(f"{scene.dig}/generic-placement-intents/gpi/app-intents/web").status_code == 204
    assert "emco_generic_app_placement_intent" not in series(daemon, scene.project)


def test_at_most_so_many_objects_have_a_series(make_daemon):
    for limit, shown in ((2, 2), (0, 0)):
        server = make_daemon(options={"metrics_objects": limit}).start()
        for i in range(4):
            server.client().make("projects", named(f"p{i}"))
        text = requests.get(server.url + "/metrics", timeout=5).text
        assert text.count("emco_project{") == shown
        assert ("emco_objects_shown 2\n" in text) == (limit == 2)


def test_readers_who_take_their_time_hold_nobody_up(make_daemon, unique):
    """As many slow readers of a long list as there are connections of the database."""
    connections, rows = 3, 2000
    server = make_daemon(options={"database_connections": connections}).start()
    api = server.client()
    api.make("projects", named(unique))
    api.make(f"projects/{unique}/composite-apps", named("a0000", compositeAppVersion="v1", description="x" * 1000))
    server.postgres.sql(f"""INSERT INTO resource (path, type, parent, name, doc) SELECT replace(path, 'a0000', n), type, parent, replace(name, 'a0000', n),
        replace(doc, 'a0000', n) FROM resource, (SELECT 'a' || lpad(i::text, 4, '0') AS n FROM generate_series(1, {rows - 1}) AS i) AS n
        WHERE path = 'projects/{unique}/composite-apps/a0000/v1'""", server.database)
    links = []
    for _ in range(connections):
        link = socket.socket()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.connect(("127.0.0.1", server.port))
        link.sendall(f"GET /v2/projects/{unique}/composite-apps HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert link.recv(100).startswith(b"HTTP/1.1 200 ")
        links.append(link)
    for _ in range(5):
        begun = time.monotonic()
        assert api.get(f"projects/{unique}").status_code == 200
        assert requests.get(server.url + "/readyz", timeout=5).status_code == 200
        assert time.monotonic() - begun < 1
    for link in links:                                   # what they get in the end is whole
        link.settimeout(20)
        text = b""
        while chunk := link.recv(1 << 20):
            text += chunk
        assert text.count(b'"compositeAppVersion"') == rows and text.endswith(b"]\n\r\n0\r\n\r\n")
        link.close()


def test_a_body_that_is_cut_short_stores_nothing(daemon, api, unique):
    """What came is a whole document each time: only its framing says that there is more."""
    body = b'{"metadata":{"name":"%s"}}' % unique.encode()
    chunk = b"%x\r\n%s\r\n" % (len(body), body)
    length, chunked = b"Content-Length: %d\r\n", b"Transfer-Encoding: chunked\r\n"
    before = daemon.count("resource")
    for head, sent in ((length % (len(body) + 10), body), (length % (len(body) + 1), body), (length % 10**6, body), (length % 10, b""),
                       (chunked, b""), (chunked, chunk), (chunked, chunk[:-2]), (chunked, chunk[:-1]), (chunked, chunk + b"5\r\n"),
                       (chunked, chunk + b"5\r\n   "), (chunked, b"%x\r\n%s" % (len(body) + 5, body)), (chunked, chunk + b"0"),
                       (chunked, chunk + b"x\r\n"), (chunked, chunk + b"-1\r\n\r\n"), (chunked, body)):
        answer = raw(daemon.port, b"POST /v2/projects HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n" + sent)
        assert answer.startswith(b"HTTP/1.1 400 ") and b"the request body ends early" in answer, (head, sent, answer)
        assert b"\r\nConnection: close\r\n" in answer and answer.count(b"HTTP/1.1") == 1, (head, sent, answer)
        assert daemon.count("resource") == before and api.get(f"projects/{unique}").status_code == 404, (head, sent)
    assert raw(daemon.port, b"POST /v2/projects HTTP/1.1\r\nHost: x\r\n" + chunked + b"\r\n" + chunk + b"0\r\n\r\n").startswith(b"HTTP/1.1 201 ")


def test_a_request_that_cannot_be_read_is_answered_with_an_id(daemon):
    for ask, request in ((raw, b"BREW /v2/projects HTCPCP/1.1\r\nHost: x\r\n\r\n"), (raw, b"GET /v2/projects\r\n\r\n"),
                         (raw, b"\0\0\r\n\r\n"),
                         (raw_unread, b"GET /v2/projects/%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 40000)),
                         (raw_unread, b"GET /v2/projects HTTP/1.1\r\nHost: x\r\nLong: %s\r\n\r\n" % (b"a" * 40000))):
        head, body = ask(daemon.port, request).split(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ") and b"\r\nX-Request-Id: " in head, request[:60]
        assert b"expected HTTP/1.1" in body and b"at most 32768 bytes of address and headers" in body, body


def test_a_body_has_one_length(daemon, api, unique):
    """Or a proxy in front may take for the next request what we take for the body, or the other way round."""
    body = b'{"metadata":{"name":"%s"}}' % unique.encode()
    right, chunked, identity = b"Content-Length: %d\r\n" % len(body), b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n"
    many = b"".join(b"X-%d: x\r\n" % number for number in range(63))
    for version, lengths in [(b"1.1", lengths) for lengths in (
            right + b"Content-Length: 5\r\n", right + right, b"Content-Length: +%d\r\n" % len(body), right + chunked, chunked + right,
            chunked + chunked, chunked + identity, identity + chunked, identity, right + identity, b"Transfer-Encoding: gzip, chunked\r\n",
            b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding:\r\n", b"Content-Length : %d\r\n" % len(body),
            many + right, many + chunked)] + [(b"1.0", chunked)]:
        sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if b"hunked" in lengths else body
        answer = raw(daemon.port, b"POST /v2/projects HTTP/%s\r\nHost: x\r\n%s\r\n%sGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
                     % (version, lengths, sent))
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1, (lengths, answer)
        assert b"\r\nConnection: close\r\n" in answer, answer
    assert api.get(f"projects/{unique}").status_code == 404
    answer = raw(daemon.port, b"POST /v2/projects HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
                 b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" % (len(body), body))
    assert answer.startswith(b"HTTP/1.1 201 ") and answer.count(b"HTTP/1.1 200 ") == 1, answer


def test_a_full_url_is_a_path_whatever_the_host_is_called(daemon):
    for host in (f"localhost:{daemon.port}", f"emco.example:{daemon.port}", f"127.0.0.1:{daemon.port}"):
        answer = raw(daemon.port, f"GET http://{host}/v2/projects?limit=1 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 200 "), answer


def test_a_body_over_the_limit_is_refused(make_daemon, unique):
    daemon = make_daemon(options={"body_limit_bytes": 65536}).start()
    body = {"metadata": {"name": unique, "description": "x" * 70000}}
    answer = daemon.client().post("projects", body)
    assert answer.status_code == 413 and "65536" in answer.text


def test_a_document_that_nobody_could_read_is_refused_whatever_the_limit_of_bodies(make_daemon, unique):
    """As it is stored "<" is six bytes; what reads a document has room for 4 MiB."""
    api = make_daemon(options={"body_limit_bytes": 16 << 20}).start().client()
    scene = Scene(api, unique)
    api.make("projects", named(scene.project))
    api.make(f"projects/{scene.project}/composite-apps", named("ca", compositeAppVersion="v1"))
    for count, code in ((7000, 413), (4000, 201)):
        overrides = [{"app": "web", "values": {f"v{number}": "<" * 100}} for number in range(count)]
        answer = api.post(f"{scene.version}/deployment-intent-groups",
                          named("dig", compositeProfile="cp", version="r1", logicalCloud="lc", overrideValues=overrides))
        assert answer.status_code == code, answer.text[:300]
        assert code == 201 or "at most 4194304 bytes" in answer.text
    assert api.get(f"{scene.dig}/status").status_code == 200
    assert api.post(f"{scene.dig}/approve").status_code == 202


def test_a_file_over_its_own_limit_is_refused_and_named(make_daemon, unique):
    daemon = make_daemon(options={"file_limit_bytes": 65536}).start()
    api = daemon.client()
    api.make("cluster-providers", named(unique))
    before = daemon.count("resource")
    answer = api.upload(f"cluster-providers/{unique}/clusters", named("c"), b"#" * 65537)
    assert answer.status_code == 413 and '"file"' in answer.text and "65536" in answer.text
    assert daemon.count("resource") == before and daemon.count("resource_file") == 0
    assert daemon.process.poll() is None


def test_a_form_that_is_cut_short_or_names_no_text_stores_nothing(daemon, api, unique):
    api.make("cluster-providers", named(unique))
    before = daemon.count("resource")
    path = b"/v2/cluster-providers/%s/clusters" % unique.encode()
    part = b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{"metadata":{"name":"c"}}\r\n'
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="\xff"\r\n\r\nx\r\n'
    for body, words in ((part, b"closing boundary"), (part + file + b"--b--", b"part 2 is not UTF-8")):
        answer = raw(daemon.port, b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                     b"Content-Length: %d\r\n\r\n%s" % (path, len(body), body))
        assert b" 422 " in answer.split(b"\r\n")[0] and words in answer, answer
    assert daemon.count("resource") == before


def test_slow_bodies_starve_neither_health_nor_reads(daemon, api):
    head = b"POST /v2/projects HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
    links = []
    try:
        for _ in range(500):
            link = socket.create_connection(("127.0.0.1", daemon.port), timeout=5)
            link.sendall(head)
            links.append(link)
        for url in (daemon.health_url + "/healthz", daemon.url + "/healthz", api.base + "projects?limit=1"):
            took = []
            for _ in range(20):
                begun = time.monotonic()
                assert requests.get(url, timeout=10).status_code == 200
                took.append(time.monotonic() - begun)
            assert sorted(took)[10] < 0.5 and max(took) < 5, (url, sorted(took))
    finally:
        for link in links:
            link.close()
    wait_for(lambda: requests.get(daemon.url + "/healthz", timeout=5).status_code == 200, 30, "the main port")


def test_many_writers_leave_neither_a_500_nor_an_orphan(daemon, api, unique):
    api.make("projects", named(unique))

    def work(number):
        mine = daemon.client()
        codes = set()
        for turn in range(10):
            name = f"ca{(number + turn) % 5}"
            codes.add(mine.post(f"projects/{unique}/composite-apps", named(name, compositeAppVersion="v1")).status_code)
            codes.add(mine.delete(f"projects/{unique}/composite-apps/{name}/v1").status_code)
            codes.add(mine.delete(f"projects/{unique}").status_code)
            codes.add(mine.post("projects", named(unique)).status_code)
        return codes
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        codes = set().union(*pool.map(work, range(16)))
    assert codes <= {201, 204, 404, 409}, codes
    assert daemon.sql(ORPHANS)[0][0] == 0


ORPHANS = """SELECT count(*) FROM resource c LEFT JOIN resource p ON p.id = c.parent
             WHERE p.id IS NULL OR (c.doc IS NOT NULL AND p.doc IS NULL AND p.path <> '')"""
DANGLING = """SELECT count(*) FROM resource_ref r LEFT JOIN resource s ON s.id = r.src LEFT JOIN resource d ON d.id = r.dst
              WHERE s.id IS NULL OR d.id IS NULL OR s.doc IS NULL"""
# A placeholder stands for what somebody refers to.
IDLE = "SELECT count(*) FROM resource r WHERE doc IS NULL AND path <> '' AND NOT EXISTS (SELECT FROM resource_ref WHERE dst = r.id)"


def test_many_writers_that_change_references_under_one_parent_leave_nothing_behind(daemon, api, unique):
    api.make("projects", named(unique))
    version = f"projects/{unique}/composite-apps/ca/v1"
    chart = simple_chart("web")

    def work(number):
        mine, codes = daemon.client(), set()

        def note(answer):
            codes.add(answer.status_code)
            return answer
        for turn in range(8):
            pick = (number + turn) % 4
            group = f"{version}/deployment-intent-groups/d{pick}"
            note(mine.post(f"projects/{unique}/composite-apps", named("ca", compositeAppVersion="v1")))
            body = named(f"d{pick}", compositeProfile=f"cp{(pick + turn) % 3}", version="r1", logicalCloud="lc")
            read = note(mine.put(group, body))
            tag = read.headers.get("ETag")
            note(mine.put(group, body, headers={"If-Match": tag} if tag else {}))
            note(mine.put(f"{version}/composite-profiles/cp{turn % 3}", named(f"cp{turn % 3}")))
            note(mine.upload(f"{version}/apps/web", named("web"), chart, method="PUT"))
            note(mine.put(f"{group}/generic-placement-intents/g", named("g")))
            note(mine.put(f"{group}/generic-placement-intents/g/app-intents/i",
                          named("i", app=("web", "db")[turn % 2], intent={"allOf": [{"clusterProvider": "p", "cluster": f"c{turn}"}]})))
            note(mine.delete(f"{version}/composite-profiles/cp{(turn + 1) % 3}"))
            note(mine.delete(f"{version}/apps/web"))
            note(mine.delete(f"{group}/generic-placement-intents/g/app-intents/i"))
            note(mine.delete(f"{group}/generic-placement-intents/g"))
            note(mine.delete(group, headers={"If-Match": tag} if tag and turn % 2 else {}))
            note(mine.delete(version))
        return codes
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        codes = set().union(*pool.map(work, range(32)))
    assert {200, 201, 204, 404, 409, 412} >= codes >= {201, 204, 409}, codes
    for query in (ORPHANS, DANGLING):
        assert daemon.sql(query)[0][0] == 0, query
    # Two who take the last two references away at one moment each see the other's: the collector, once a minute, sees neither.
    wait_for(lambda: daemon.sql(IDLE)[0][0] == 0, 90, "the end of placeholders that nobody refers to")


def test_a_database_that_goes_away_and_comes_back_is_survived(tmp_path, helm, unique):
    from conftest import Daemon
    own = Postgres(tmp_path / "pg").start()
    daemon = Daemon(tmp_path / "emcod", own, helm)
    try:
        api = daemon.start().client()
        api.make("projects", named(unique))
        own.stop()
        begun = time.monotonic()
        answer = api.get(f"projects/{unique}")
        assert answer.status_code == 503 and answer.headers["Retry-After"]
        assert time.monotonic() - begun < 15
        assert requests.get(daemon.url + "/readyz", timeout=10).status_code == 503
        assert requests.get(daemon.url + "/healthz", timeout=10).status_code == 200
        own.start()
        wait_for(lambda: api.get(f"projects/{unique}").status_code == 200, 30, "the project after the restart")
        wait_for(daemon.is_ready, 30, "readiness after the restart")
        api.make("projects", named(unique + "b"))
        assert daemon.stop() == 0
    finally:
        if daemon.process and daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait(10)
        own.remove()


def refused(daemon, *words):
    done = subprocess.run([daemon.binary, "-c", daemon.config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60, check=False, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=0"))
    assert done.returncode == 1, done.stdout
    assert "Sanitizer" not in done.stdout, done.stdout
    for word in words:
        assert word in done.stdout, done.stdout


@pytest.mark.parametrize("which", ["listen", "health_listen", "events_listen"])
def test_a_port_that_is_taken_is_named(make_daemon, which):
    daemon = make_daemon()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = "127.0.0.1:%d" % other.getsockname()[1]
        daemon.options[which] = address
        refused(daemon, "emcod: ", address)


def test_an_unknown_option_is_named_with_file_and_line(make_daemon):
    refused(make_daemon(options={"databse": "x"}), "emcod.conf:", "databse", "database")


def test_an_unknown_option_of_a_controller_is_named_with_file_and_line(make_daemon):
    text = 'plugin = "placement-nearest";\nname = "nearest";\noptions = {\n  strickt = true;\n};\n'
    refused(make_daemon(controllers={"nearest": text}), "nearest.conf:4", "strickt", "strict")


def test_a_controller_whose_plugin_is_missing_is_named(make_daemon):
    refused(make_daemon(controllers={"x": 'plugin = "no-such";\n'}), "x.conf", "no-such")


def test_a_listener_for_everybody_needs_the_word_insecure(make_daemon):
    refused(make_daemon(options={"listen": "0.0.0.0:0"}), "insecure")


def test_a_database_option_that_does_not_parse_is_refused_without_quoting_it(make_daemon):
    refused(make_daemon(options={"database": "host=/nowhere verysecret"}), "database", "does not parse")
    daemon = make_daemon(options={"database": "host=/nowhere pasword=verysecret"})
    done = subprocess.run([daemon.binary, "-c", daemon.config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60, check=False)
    assert done.returncode != 0 and "verysecret" not in done.stdout, done.stdout


def test_a_key_file_that_others_can_read_is_refused(make_daemon):
    daemon = make_daemon()
    daemon.key.chmod(0o644)
    refused(daemon, "seal.key", "600")


def test_the_options_are_printed_and_all_documented(daemon):
    printed = subprocess.run([daemon.binary, "--print", "options"], stdout=subprocess.PIPE, text=True, timeout=20, check=True).stdout
    sample = (SOURCE / "etc" / "emcod.conf").read_text()
    for name in ("listen", "database", "seal_key_file", "plugin_dir", "controllers_dir", "helm"):
        assert name in printed and name in sample


def test_the_state_machine_is_printed(daemon):
    printed = subprocess.run([daemon.binary, "--print", "states"], stdout=subprocess.PIPE, text=True, timeout=20, check=True).stdout
    rows = [line.split() for line in printed.splitlines()]
    assert ["Approved", "instantiate", "Instantiated"] in [row[:3] for row in rows]
    assert all(len(row) >= 3 for row in rows)
