"""Resources over REST: what can be created, read, listed, replaced and deleted, and what is refused with which words."""
import concurrent.futures
import contextlib
import gzip
import json

import psycopg2
import pytest
import requests

from conftest import wait_for
from emco import archive, chart, named, profile, simple_chart

FULL = {"description": "", "userData1": "", "userData2": ""}


@pytest.fixture
def project(api, unique):
    api.make("projects", named(unique))
    return f"projects/{unique}"


@pytest.fixture
def version(api, project):
    api.make(f"{project}/composite-apps", named("ca", compositeAppVersion="v1"))
    return f"{project}/composite-apps/ca/v1"


def test_a_project_is_echoed_in_full_and_read_back_the_same(api, unique):
    answer = api.post("projects", {"metadata": {"NAME": unique, "description": "a <b> & c"}, "unknown": 1})
    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.text == ('{"metadata":{"name":"%s","description":"a \\u003cb\\u003e \\u0026 c","userData1":"","userData2":""}}\n'
                           % unique)
    assert "unknown" in answer.headers["Warning"]
    assert api.get(f"projects/{unique}").text == answer.text


def test_a_duplicate_a_missing_parent_and_a_missing_resource(api, project):
    name = project.split("/")[1]
    answer = api.post("projects", named(name))
    assert answer.status_code == 409 and name in answer.text and "exists" in answer.text
    answer = api.post("projects/nobody/composite-apps", named("ca", compositeAppVersion="v1"))
    assert answer.status_code == 404 and '"projects/nobody"' in answer.text
    for method in ("GET", "DELETE"):
        assert api.request(method, "projects/nobody").status_code == 404
    assert api.get("projects/nobody/composite-apps").status_code == 404
    assert api.get("nothing").status_code == 404


def test_what_has_children_or_is_referenced_stays(api, version, project, unique):
    answer = api.delete(project)
    assert answer.status_code == 409 and version in answer.text

    api.make(f"{version}/composite-profiles", named("cp"))
    api.make(f"{version}/deployment-intent-groups",
             named("dig", compositeProfile="cp", version="r1", logicalCloud="lc", overrideValues=[]))
    answer = api.delete(f"{version}/composite-profiles/cp")
    assert answer.status_code == 409 and f"{version}/deployment-intent-groups/dig" in answer.text
    assert api.delete(f"{version}/deployment-intent-groups/dig").status_code == 204
    assert api.delete(f"{version}/composite-profiles/cp").status_code == 204


def test_a_reference_may_come_before_what_it_names_and_protects_it_from_then_on(api, version, project):
    api.make(f"{version}/deployment-intent-groups",
             named("dig", compositeProfile="later", version="r1", logicalCloud="lc", overrideValues=[]))
    assert api.get(f"{version}/composite-profiles/later").status_code == 404
    assert api.get(f"{version}/composite-profiles").json() == []
    api.make(f"{version}/composite-profiles", named("later"))
    assert api.delete(f"{version}/composite-profiles/later").status_code == 409


def test_put_creates_or_replaces_and_insists_on_the_name(api, unique):
    assert api.put(f"projects/{unique}", named(unique)).status_code == 200
    body = {"metadata": {"name": unique, "description": "new"}}
    assert api.put(f"projects/{unique}", body).status_code == 200
    assert api.get(f"projects/{unique}").json()["metadata"]["description"] == "new"
    answer = api.put(f"projects/{unique}", named("other"))
    assert answer.status_code == 400 and unique in answer.text and "other" in answer.text


def test_etags_guard_against_lost_updates(api, project):
    tag = api.get(project).headers["ETag"]
    assert api.get(project, headers={"If-None-Match": tag}).status_code == 304
    body = named(project.split("/")[1])
    assert api.put(project, body, headers={"If-Match": tag}).status_code == 200
    assert api.put(project, body, headers={"If-Match": tag}).status_code == 412
    assert api.put(project, body, headers={"If-None-Match": "*"}).status_code == 412


def test_of_many_writers_with_one_tag_one_wins(api, project):
    body = named(project.split("/")[1])
    for turn in range(5):
        tag = api.get(project).headers["ETag"]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            codes = list(pool.map(lambda _: api.put(project, body, headers={"If-Match": tag}).status_code, range(16)))
        assert sorted(codes) == [200] + 15 * [412], (turn, codes)
    tag = api.get(project).headers["ETag"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda n: (api.put(project, body, headers={"If-Match": tag}) if n % 2
                                         else api.delete(project, headers={"If-Match": tag})).status_code, range(8)))
    assert len([code for code in codes if code != 412]) == 1, codes


def test_conditions_are_lists_of_tags(api, project):
    body, name = named(project.split("/")[1]), project.split("/")[1]
    tag = api.get(project).headers["ETag"]
    assert api.get(project, headers={"If-None-Match": f'"1-1", W/{tag}'}).status_code == 304
    assert api.get(project, headers={"If-None-Match": '"1-1"'}).status_code == 200
    answer = api.put(project, body, headers={"If-Match": f"W/{tag}"})
    assert answer.status_code == 412 and tag in answer.text and "If-Match" in answer.text
    assert api.put(project, body, headers={"If-None-Match": f'"1-1", {tag}'}).status_code == 412
    assert api.put(project, body, headers={"If-Match": f'"1-1", {tag}'}).status_code == 200
    assert api.delete(project, headers={"If-Match": f'"1-1", {tag}'}).status_code == 412
    tag = api.get(project).headers["ETag"]
    for known in ("*", tag, f'"1-1", W/{tag}'):
        answer = api.delete(project, headers={"If-None-Match": known})
        assert answer.status_code == 412 and tag in answer.text and "If-None-Match" in answer.text, (known, answer.text)
    assert api.get(project).headers["ETag"] == tag
    assert api.delete(f"{project}x", headers={"If-None-Match": "*"}).status_code == 404
    answer = api.post("projects", body, headers={"If-None-Match": "*"})
    assert answer.status_code == 412 and name in answer.text
    assert api.delete(project, headers={"If-Match": "*"}).status_code == 204
    assert api.delete(project, headers={"If-Match": "*"}).status_code == 412
    assert api.put(project, body, headers={"If-Match": tag}).status_code == 412
    assert api.post("projects", body, headers={"If-None-Match": "*"}).status_code == 201
    assert api.delete(project, headers={"If-None-Match": '"1-1"'}).status_code == 204


def test_a_compressed_body_is_refused_with_what_is_taken(daemon, api, unique):
    body = gzip.compress(json.dumps(named(unique)).encode())
    answer = api.request("POST", "projects", data=body, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415 and answer.headers["Accept-Encoding"] == "identity", answer.text
    assert 'Content-Encoding "gzip"' in answer.text
    answer = api.request("POST", "projects", data=json.dumps(named(unique)), headers={"Content-Encoding": "identity"})
    assert answer.status_code == 201


def test_an_app_is_read_as_json_file_or_multipart(api, version):
    content = simple_chart("web")
    api.make(f"{version}/apps", named("web"), content)
    path = f"{version}/apps/web"
    for accept in ("application/json", "*/*", "text/html, application/json;q=0.5", ""):
        assert api.get(path, headers={"Accept": accept}).json()["metadata"] == {"name": "web", **FULL}
    assert api.get(path, headers={"Accept": "application/octet-stream"}).content == content
    both = api.get(path, headers={"Accept": "multipart/form-data"})
    boundary = both.headers["Content-Type"].split("boundary=")[1].strip('"')
    assert content in both.content and both.content.rstrip().endswith(f"--{boundary}--".encode())
    again = api.get(path, headers={"Accept": "multipart/form-data"})
    assert (again.content, again.headers["ETag"]) == (both.content, both.headers["ETag"]), "one tag, two bodies"
    assert api.get(path, headers={"Accept": "image/png"}).status_code == 406
    assert [a["metadata"]["name"] for a in api.get(f"{version}/apps").json()] == ["web"]


def test_each_form_of_an_app_has_a_tag_and_all_of_them_name_its_version(api, version):
    api.make(f"{version}/apps", named("web"), simple_chart("web"))
    path, forms = f"{version}/apps/web", ("application/json", "application/octet-stream", "multipart/form-data")
    tags = {form: api.get(path, headers={"Accept": form}).headers["ETag"] for form in forms}
    assert len(set(tags.values())) == 3
    for form in forms:
        for known, tag in tags.items():
            answer = api.get(path, headers={"Accept": form, "If-None-Match": tag})
            assert answer.status_code == (304 if known == form else 200), (form, known)
    answer = api.upload(path, named("web"), simple_chart("web"), method="PUT", headers={"If-Match": tags["multipart/form-data"]})
    assert answer.status_code == 201 and answer.headers["ETag"] not in tags.values()


def test_what_came_without_its_file_is_sent_as_json_and_says_so(api, unique):
    api.make("cluster-providers", named(unique))
    git = {"metadata": {"name": "one"}, "spec": {"gitOps": {"gitOpsType": "fluxcd", "gitOpsReferenceObject": "ref"}}}
    path = f"cluster-providers/{unique}/clusters/one"
    answer = api.upload(f"cluster-providers/{unique}/clusters", git)
    assert answer.status_code == 201, answer.text
    for accept in ("application/octet-stream", "multipart/form-data", "application/json"):
        answer = api.get(path, headers={"Accept": accept})
        assert answer.headers["Content-Type"] == "application/json" and answer.json()["metadata"]["name"] == "one", accept
        tag = answer.headers["ETag"]
        assert api.get(path, headers={"Accept": accept, "If-None-Match": tag}).status_code == 304
        assert api.get(path, headers={"Accept": accept, "If-None-Match": f'{tag[:-1]}-file"'}).status_code == 200


def test_an_app_is_read_whole_while_it_is_replaced(daemon, postgres, api, version):
    """Document and file are of one moment, also when the app is replaced between the two look-ups of a read."""
    path, first = f"{version}/apps/web", chart("web", {"first.yaml": "{}"})
    api.make(f"{version}/apps", {"metadata": {"name": "web", "description": "first"}}, first)
    app = f"(SELECT id FROM resource WHERE path = '{path}')"
    link = psycopg2.connect(postgres.dsn_of(daemon.database))
    with concurrent.futures.ThreadPoolExecutor(1) as pool, contextlib.closing(link), link.cursor() as cursor:
        cursor.execute("LOCK TABLE resource_file")
        reading = pool.submit(api.get, path, headers={"Accept": "multipart/form-data"})
        wait_for(lambda: daemon.count("pg_locks", "relation = 'resource_file'::regclass AND NOT granted"),
                 what="a read that has the document and waits for the file")
        cursor.execute(f"UPDATE resource SET doc = replace(doc, 'first', 'second') WHERE id = {app}")
        assert cursor.rowcount == 1
        cursor.execute(f"UPDATE resource_file SET bytes = 'another' WHERE resource = {app}")
        assert cursor.rowcount == 1
        link.commit()
        seen = reading.result(30).content
    assert b'"description":"first"' in seen and first in seen
    seen = api.get(path, headers={"Accept": "multipart/form-data"}).content
    assert b'"description":"second"' in seen and b"another" in seen


def test_an_app_has_one_profile_in_a_composite_profile(api, version):
    api.make(f"{version}/composite-profiles", named("cp"))
    profiles = f"{version}/composite-profiles/cp/profiles"
    api.make(profiles, named("p1", app="web"), profile())
    answer = api.upload(profiles, named("p2", app="web"), profile())
    assert answer.status_code == 409
    assert api.get(f"{profiles}?app=web").json()["metadata"]["name"] == "p1"
    assert [p["metadata"]["name"] for p in api.get(f"{profiles}?app=").json()] == ["p1"]
    answer = api.get(f"{profiles}/p1?app=web")
    assert answer.status_code == 400 and 'chooses one of all profiles, and the path names "p1"' in answer.text
    assert api.get(f"{profiles}/p1?app=").json()["metadata"]["name"] == "p1"
    assert api.delete(f"{profiles}?app=web").status_code == 405


def test_a_parameter_that_means_nothing_is_ignored_and_named(api, project):
    def ignored(method, path, **arguments):
        answer = api.request(method, path, **arguments)
        assert answer.ok, answer.text
        return answer.headers.get("Warning")
    name = project.split("/")[1]
    assert ignored("GET", project) is None
    assert ignored("GET", "projects?limit=5&continue=a") is None
    assert ignored("GET", f"{project}?limit=5") == '299 - "unknown parameter limit ignored"'
    assert ignored("GET", "projects?label=x&limit=1") == '299 - "unknown parameter label ignored"'
    assert ignored("GET", "projects?a%22%0D%0Ab=1") == '299 - "unknown parameter a%22%0D%0Ab ignored"'
    assert ignored("PUT", project, json={**named(name), "\u00e9": 1}) == '299 - "unknown member /%C3%A9 ignored"'
    assert ignored("PUT", project, json={**named(name), "5%": 1}) == '299 - "unknown member /5%25 ignored"'
    assert ignored("PUT", f"{project}?wetRun=true", json=named(name)) == '299 - "unknown parameter wetRun ignored"'
    # No number and no length of them takes the place of other headers.
    answer = api.get(f"{project}?" + "&".join(letter * 2000 for letter in "abcdefg"))
    assert answer.headers["Warning"].count("ignored") == 4 and answer.headers["ETag"]
    assert ignored("DELETE", f"{project}?force=true") == '299 - "unknown parameter force ignored"'
    assert requests.get(api.base.replace("/v2/", "/readyz?probe=1"), timeout=10).headers.get("Warning") is None
    answer = api.get("projects?limit=5;continue=a")
    assert answer.status_code == 400 and "semicolon" in answer.text


def test_clusters_are_found_by_label(api, unique, remote):
    api.make("cluster-providers", named(unique))
    clusters = f"cluster-providers/{unique}/clusters"
    for name in ("c2", "c1"):
        body = named(name, gitOps={"gitOpsType": "fluxcd", "gitOpsReferenceObject": "git", "gitOpsResourceObject": "git"})
        assert api.upload(clusters, body).status_code == 201
        api.make(f"{clusters}/{name}/labels", {"clusterLabel": "edge"})
    api.make(f"{clusters}/c1/labels", {"clusterLabel": "one"})
    assert api.get(f"{clusters}?label=edge").json() == ["c1", "c2"]
    assert api.get(f"{clusters}?label=none").json() == []
    assert api.get(f"{clusters}?withLabels=false&label=one").json() == ["c1"]
    assert [c["metadata"]["name"] for c in api.get(f"{clusters}?withLabels=false&label=").json()] == ["c1", "c2"]
    found = api.get(f"{clusters}?withLabels=true").json()
    assert [[label["clusterLabel"] for label in c["labels"]] for c in found] == [["edge", "one"], ["edge"]]
    answer = api.get(f"{clusters}?withLabels=maybe")
    assert answer.status_code == 400 and '"withLabels" must be true or false, got "maybe"' in answer.text
    assert api.get(f"{clusters}?withLabels=TRUE&limit=0").status_code == 400
    assert api.delete(f"{clusters}/c1").status_code == 409


def pages_of(api, path):
    """Each page of it, and what the first one warned of."""
    pages, warning = [], api.get(path).headers.get("Warning")
    while path is not None:
        answer = api.get(path)
        assert answer.status_code == 200, (path, answer.text)
        pages.append(answer.json())
        path = answer.links["next"]["url"].removeprefix("/v2/") if "next" in answer.links else None
    return pages, warning


def test_what_offers_pages_comes_in_pages_and_what_does_not_says_so(api, unique):
    api.make("cluster-providers", named(unique))
    clusters = f"cluster-providers/{unique}/clusters"
    labels = {"c1": ["edge", "one"], "c2": [], "c3": ["edge"], "c4": ["edge"], "c5": ["two"]}
    for name, its in labels.items():
        body = named(name, gitOps={"gitOpsType": "fluxcd", "gitOpsReferenceObject": "git", "gitOpsResourceObject": "git"})
        assert api.upload(clusters, body).status_code == 201
        for label in its:
            api.make(f"{clusters}/{name}/labels", {"clusterLabel": label})
    whole = api.get(f"{clusters}?withLabels=true").json()
    assert {c["metadata"]["name"]: [label["clusterLabel"] for label in c["labels"]] for c in whole} == labels
    for limit, sizes in ((1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (4, [4, 1]), (5, [5]), (6, [5])):
        pages, warning = pages_of(api, f"{clusters}?withLabels=true&limit={limit}")
        assert [len(page) for page in pages] == sizes and [c for page in pages for c in page] == whole and warning is None
    assert pages_of(api, f"{clusters}?label=edge&limit=1") == ([["c1"], ["c3"], ["c4"]], None)
    assert pages_of(api, f"{clusters}?label=edge&limit=2") == ([["c1", "c3"], ["c4"]], None)
    assert pages_of(api, f"{clusters}?label=edge&limit=3") == ([["c1", "c3", "c4"]], None)
    assert pages_of(api, f"{clusters}?withLabels=false&label=edge&limit=2&continue=c3") == ([["c4"]], None)
    assert pages_of(api, f"{clusters}?label=none&limit=1") == ([[]], None)
    assert pages_of(api, f"{clusters}?withLabels=true&label=edge&limit=9")[1] == '299 - "unknown parameter label ignored"'
    pages, warning = pages_of(api, "controllers?instances=true&limit=1")
    assert len(pages) == 1 and len(pages[0]) == 3 and warning == '299 - "unknown parameter limit ignored"'
    pages, warning = pages_of(api, "controllers?instances=false&limit=1")
    assert pages == [[]] and warning is None


def test_continue_is_a_name_that_a_page_can_end_with(api, project):
    for path, good, bad in (("projects", ["a", "A.b-c"], ["a/b", "a b", "-", "%00a", "../x", "n" * 129]),
                            (f"{project}/composite-apps", ["ca/v1"], ["ca", "ca/", "/v1", "ca/v1/x", "ca//v1"]),
                            ("cluster-providers", ["p"], ["p/clusters/c"])):
        for value in good:
            assert api.get(f"{path}?continue={value}").status_code == 200, value
        for value in bad:
            answer = api.get(f"{path}?continue={value}")
            assert answer.status_code == 400 and ("\"continue\" must be the name" in answer.text or "NUL" in answer.text), (value, answer.text)


KUBECONFIG = """apiVersion: v1
kind: Config
current-context: c
clusters: [{name: k, cluster: {server: "https://192.0.2.1:6443"}}]
contexts: [{name: c, context: {cluster: k, user: u}}]
users: [{name: u, user: %s}]
"""


def test_a_kubeconfig_is_kept_sealed_and_a_dangerous_one_is_refused(daemon, api, unique):
    api.make("cluster-providers", named(unique))
    clusters = f"cluster-providers/{unique}/clusters"
    good = KUBECONFIG % "{token: verysecret}"
    assert api.upload(clusters, named("good"), good).status_code == 201
    assert api.get(f"{clusters}/good", headers={"Accept": "application/octet-stream"}).text == good
    assert b"verysecret" not in b"".join(bytes(row[0]) for row in daemon.sql("SELECT bytes FROM resource_file"))
    for bad, word in ((KUBECONFIG % "{exec: {command: aws}}", "exec"), ("no kubeconfig", "kubeconfig"),
                      (KUBECONFIG.replace("kind: Config", "kind: Pod") % "{}", "Config"), ("{", "line"),
                      ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
                          f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(8)), "alias")):
        answer = api.upload(clusters, named("bad"), bad)
        assert answer.status_code in (400, 413, 422), answer.text
        assert word in answer.text
    assert api.get(f"{clusters}/bad").status_code == 404
    answer = api.upload(clusters, named("none"))
    assert answer.status_code in (400, 422) and "kubeconfig" in answer.text


@pytest.mark.parametrize("body,status,words", [
    (b"", 400, ["empty"]),
    (b"   ", 400, ["empty"]),
    (b"{", 422, ["line 1"]),
    (b'{"metadata":{"name":"a"}} x', 422, ["line 1"]),
    (b'{"metadata":{"name":"a","name":"b"}}', 422, ["twice"]),
    (b'{"metadata":{"name":"\xff"}}', 422, ["UTF-8"]),
    (b"[]", 400, ["object"]),
    (b"null", 400, ["object"]),
    (b'{"metadata":{}}', 400, ["/metadata/name"]),
    (b'{"metadata":{"name":5}}', 400, ["/metadata/name", "string"]),
    (b'{"metadata":{"name":""}}', 400, ["/metadata/name"]),
    (b'{"metadata":{"name":"a b"}}', 400, ["/metadata/name"]),
    (b'{"metadata":{"name":"-a"}}', 400, ["/metadata/name"]),
    (b'{"metadata":{"name":"a\\n"}}', 400, ["/metadata/name"]),
    (b'{"metadata":{"name":"a\\u0000b"}}', 422, ["u0000"]),
    (b'{"metadata":{"name":"' + b"n" * 129 + b'"}}', 400, ["128", "129"]),
    (b'{"metadata":{"name":"a","description":"' + b"d" * 1025 + b'"}}', 400, ["/metadata/description", "1024"]),
    (b'{"metadata":' + b"[" * 100 + b"]" * 100 + b"}", 413, ["64"]),
])
def test_bad_json_is_refused_with_its_reason_and_nothing_is_stored(daemon, api, body, status, words):
    before = daemon.count("resource")
    answer = api.request("POST", "projects", data=body)
    assert answer.status_code == status, answer.text
    for word in words:
        assert word.lower() in answer.text.lower(), answer.text
    assert daemon.count("resource") == before


def test_all_faults_are_told_at_once_and_as_a_problem_document_when_asked(api):
    body = {"metadata": {"name": "a b", "description": 5, "userData1": "x" * 513}}
    answer = api.post("projects", body)
    for field in ("/metadata/name", "/metadata/description", "/metadata/userData1"):
        assert field in answer.text
    assert answer.headers["Content-Type"].startswith("text/plain")
    answer = api.post("projects", body, headers={"Accept": "application/problem+json"})
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(answer.text)
    assert problem["status"] == 400 and len(problem["errors"]) == 3


def tar_with(name, kind=None, target=""):
    import io
    import tarfile
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        entry = tarfile.TarInfo(name)
        if kind is not None:
            entry.type, entry.linkname = kind, target
        tar.addfile(entry, io.BytesIO(b""))
    return out.getvalue()


def bomb():
    return archive({"web/zeros": b"\0" * (300 << 20)})


@pytest.mark.parametrize("content,word", [
    (b"no archive", "gzip"), (b"", ""), (b"\x1f\x8b\x08\x00", ""),
    (tar_with("../out"), ".."), (tar_with("/etc/passwd"), "/etc/passwd"),
    (tar_with("web/link", b"2", "/etc/passwd"), "link"), (tar_with("web/hard", b"1", "../../x"), "link"),
])
def test_a_chart_that_is_no_good_archive_is_refused(daemon, api, version, content, word):
    before = daemon.count("resource_file")
    answer = api.upload(f"{version}/apps", named("web"), content)
    assert answer.status_code == 422, answer.text
    assert word in answer.text
    assert daemon.count("resource_file") == before
    assert api.get(f"{version}/apps/web").status_code == 404


def test_an_archive_bomb_is_refused_at_its_bound(api, version):
    answer = api.upload(f"{version}/apps", named("web"), bomb())
    assert answer.status_code in (413, 422) and "web/zeros" in answer.text


def test_uploads_must_be_multipart_and_complete(api, version):
    assert api.post(f"{version}/apps", named("web")).status_code == 415
    assert api.upload(f"{version}/apps", named("web")).status_code in (400, 422)
    answer = api.request("POST", f"{version}/apps", files=[("file", ("f", chart("web", {})))])
    assert answer.status_code == 400
    headers = {"Content-Type": "multipart/form-data"}
    assert api.request("POST", f"{version}/apps", data=b"x", headers=headers).status_code in (400, 422)


def test_placement_intents_are_checked(api, version):
    api.make(f"{version}/deployment-intent-groups",
             named("dig", compositeProfile="cp", version="r1", logicalCloud="lc", overrideValues=[]))
    gpi = f"{version}/deployment-intent-groups/dig/generic-placement-intents"
    api.make(gpi, named("gpi"))
    ok = {"allOf": [{"clusterProvider": "p", "cluster": "c"}, {"anyOf": [{"clusterProvider": "p", "clusterLabel": "l"}]}]}
    answer = api.post(f"{gpi}/gpi/app-intents", named("good", app="web", intent=ok))
    assert answer.text == ('{"metadata":{"name":"good"},"spec":{"app":"web","intent":{"allOf":[{"clusterProvider":"p","cluster":"c"},'
                           '{"anyOf":[{"clusterProvider":"p","clusterLabel":"l"}]}]}}}\n')
    for bad in ({"allOf": [{}]}, {"allOf": [{"clusterProvider": "p", "cluster": "c", "clusterLabel": "l"}]},
                {"anyOf": [{"cluster": "c"}]}, {"allOf": "x"}):
        assert api.post(f"{gpi}/gpi/app-intents", named("bad", app="web", intent=bad)).status_code == 400, bad
    assert api.post(f"{gpi}/gpi/app-intents", named("bad", intent={})).status_code == 400
    api.make(f"{gpi}/gpi/app-intents", named("a-name-before", app="web", intent={"anyOf": []}))
    assert api.get(f"{gpi}/gpi/app-intents?app=web").json() == {"app": "web", "intent": ok}, "the one that was created first counts"


def test_group_intents_keep_their_particular_list(api, version):
    api.make(f"{version}/deployment-intent-groups",
             named("dig", compositeProfile="cp", version="r1", logicalCloud="lc", overrideValues=[]))
    intents = f"{version}/deployment-intent-groups/dig/intents"
    assert api.get(intents).json() == {"intent": []}
    api.make(intents, named("i", intent={"genericPlacementIntent": "gpi"}))
    assert api.get(intents).json() == {"intent": [{"genericPlacementIntent": "gpi"}]}
    assert api.get(f"{intents}?intent=i").json() == {"intent": {"genericPlacementIntent": "gpi"}}
    assert "unknown parameter limit" in api.get(f"{intents}?limit=1").headers["Warning"], "it has no pages"


def test_methods_and_paths_that_do_not_exist(api, project):
    answer = api.request("PATCH", "projects")
    assert answer.status_code == 405 and "GET" in answer.headers["Allow"]
    assert api.get("projects/").status_code == 200
    assert api.get("projects/a%2fb").status_code in (400, 404)
    assert api.get("projects//x").status_code == 404


def test_lists_come_in_pages_by_name(api, project):
    names = [f"p{number}" for number in range(7)]
    for name in reversed(names):
        api.make(f"{project}/composite-apps", named(name, compositeAppVersion="v1"))
    seen, query = [], "limit=3"
    for size, is_last in ((3, False), (3, False), (1, True)):
        answer = api.get(f"{project}/composite-apps?{query}")
        page = [app["metadata"]["name"] for app in answer.json()]
        assert len(page) == size
        seen += page
        assert ("Link" not in answer.headers) == is_last
        query = "" if is_last else answer.links["next"]["url"].split("?", 1)[1]
    assert seen == names
    assert len(api.get(f"{project}/composite-apps?limit=7").json()) == 7
    assert "Link" not in api.get(f"{project}/composite-apps?limit=7").headers
    for bad in ("0", "1001", "x", "-1"):
        assert api.get(f"{project}/composite-apps?limit={bad}").status_code == 400


def test_also_the_longest_names_have_places_and_pages(api, unique):
    def longest(mark):
        return f"{unique}-{mark}".ljust(128, mark)

    project = f"projects/{longest('x')}"
    version = f"{project}/composite-apps/{longest('c')}/{longest('v')}"
    dig = f"{version}/deployment-intent-groups/{longest('d')}"
    api.make("projects", named(longest("x")))
    api.make(f"{project}/logical-clouds", named("lc", level="0"))
    api.make(f"{project}/composite-apps", named(longest("c"), compositeAppVersion=longest("v")))
    api.make(f"{version}/composite-profiles", named("cp"))
    api.make(f"{version}/deployment-intent-groups",
             named(longest("d"), compositeProfile="cp", version="r1", logicalCloud="lc", overrideValues=[]))
    api.make(f"{dig}/generic-placement-intents", named(longest("g")))
    intents = f"{dig}/generic-placement-intents/{longest('g')}/app-intents"
    for mark in "ab":
        made = api.post(intents, named(longest(mark), app=mark, intent={}))
        assert made.status_code == 201 and made.headers["Location"] == f"/v2/{intents}/{longest(mark)}"
    first = api.get(f"{intents}?limit=1")
    second = api.request("GET", first.links["next"]["url"].removeprefix("/v2/"))
    assert [intent["metadata"]["name"] for answer in (first, second) for intent in answer.json()] == [longest("a"), longest("b")]
    assert "Link" not in second.headers
    watched = api.get(f"{dig}/status?watch=true", allow_redirects=False)
    assert watched.status_code == 307 and dig in watched.headers["Location"]


def test_what_the_client_does_not_accept_is_not_sent(api, project):
    assert api.get(project, headers={"Accept": "image/png"}).status_code == 406
    assert api.get(project, headers={"Accept": "application/problem+json"}).status_code == 200
    assert api.get(project, headers={"Accept": "image/png, */*;q=0.1"}).status_code == 200


def test_a_form_says_what_it_lacks_and_where_a_fault_is(api, version):
    sent = api.request("POST", f"{version}/apps", files=[("meta", (None, "{}")), ("fle", ("f", b"x"))])
    assert sent.status_code == 400 and 'needs a part "metadata" with the JSON document, and has "meta", "fle"' in sent.text
    sent = api.upload(f"{version}/apps", named("web"), b"no archive")
    assert sent.status_code == 422 and sent.text.startswith('part "file": '), sent.text
