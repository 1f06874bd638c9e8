"""What another does between the look that a request takes and what it writes."""
import concurrent.futures
import contextlib

import psycopg2
import pytest

from conftest import wait_for
from emco import Scene, simple_chart


@pytest.fixture
def scene(api, unique, remote):
    scene = Scene(api, unique).clusters({"one": remote("one")}).cloud()
    return scene.apps({"web": simple_chart("web")}).deployment({"web": scene.by_name("one")})


@contextlib.contextmanager
def meanwhile(daemon, postgres, locked, request):
    """A cursor in whose transaction a row is locked, while the request waits for that row; gives the future of its answer."""
    link = psycopg2.connect(postgres.dsn_of(daemon.database))
    with concurrent.futures.ThreadPoolExecutor(1) as pool, contextlib.closing(link), link.cursor() as cursor:
        cursor.execute("SELECT FROM resource WHERE path = %s FOR UPDATE", (locked,))
        assert cursor.rowcount == 1
        answer = pool.submit(request)
        wait_for(lambda: daemon.count("pg_stat_activity", "datname = current_database() AND wait_event_type = 'Lock'"),
                 what="a request that waits for the row")
        yield cursor, answer
        link.commit()


def states(scene):
    return [action["state"] for action in scene.status()["states"]["actions"]]


@pytest.mark.parametrize("verb, before", [("approve", "Created"), ("instantiate", "Approved"), ("update", "Instantiated"),
                                          ("terminate", "Instantiated"), ("stop", "Instantiated")])
def test_a_verb_is_done_to_what_its_client_has_seen(daemon, postgres, api, unique, remote, verb, before):
    """Another changes the deployment after If-Match was compared: nothing happens."""
    scene = Scene(api, unique).clusters({"one": remote("one")}, url=None if verb != "stop" else "/nowhere").cloud()
    scene.apps({"web": simple_chart("web")}).deployment({"web": scene.by_name("one")}, approve=before != "Created")
    if before == "Instantiated":
        scene.instantiate(wait=verb != "stop")
    tag = api.get(scene.dig).headers["ETag"]
    was = states(scene)
    with meanwhile(daemon, postgres, scene.dig, lambda: api.post(f"{scene.dig}/{verb}", headers={"If-Match": tag})) as (cursor, answer):
        cursor.execute("UPDATE resource SET version = version + 1 WHERE path = %s", (scene.dig,))
    assert answer.result(30).status_code == 412, answer.result().text
    assert "was changed by another meanwhile" in answer.result().text
    assert states(scene) == was and was[-1] == before
    newer = api.get(scene.dig).headers["ETag"]
    assert api.post(f"{scene.dig}/{verb}", headers={"If-Match": newer}).status_code == 202


@pytest.mark.parametrize("verb, path", [("terminate", "projects/{0.project}/logical-clouds/lc"),
                                        ("abandon?force=true", "cluster-providers/{0.provider}/clusters/one")])
def test_also_a_verb_of_a_cloud_or_a_cluster(daemon, postgres, api, unique, remote, verb, path):
    path = path.format(Scene(api, unique).clusters({"one": remote("one")}).cloud())
    tag = api.get(path).headers["ETag"]
    with meanwhile(daemon, postgres, path, lambda: api.post(f"{path}/{verb}", headers={"If-Match": tag})) as (cursor, answer):
        cursor.execute("UPDATE resource SET version = version + 1 WHERE path = %s", (path,))
    assert answer.result(30).status_code == 412, answer.result().text
    newer = api.get(path).headers["ETag"]
    assert api.post(f"{path}/{verb}", headers={"If-Match": newer}).status_code in (200, 202)


def test_a_verb_on_whatever_is_there_needs_no_version(daemon, postgres, api, scene):
    approve = f"{scene.dig}/approve"
    with meanwhile(daemon, postgres, scene.dig, lambda: api.post(approve, headers={"If-Match": "*"})) as (cursor, answer):
        cursor.execute("UPDATE resource SET version = version + 1 WHERE path = %s", (scene.dig,))
    assert answer.result(30).status_code == 202, answer.result().text
    assert api.post(approve.replace("/dig/", "/none/"), headers={"If-Match": "*"}).status_code == 412
    assert api.post(approve.replace("/dig/", "/none/")).status_code == 404


def test_a_put_that_finds_nothing_replaces_nothing_that_came_meanwhile(daemon, postgres, api, scene):
    """A PUT has seen no deployment, and is about to make one; by then another has made and approved it."""
    wanted = scene.dig.replace("/dig", "/new")
    document = api.get(scene.dig).json()
    document["metadata"]["name"] = "new"
    with meanwhile(daemon, postgres, scene.version, lambda: api.put(wanted, document)) as (cursor, answer):
        cursor.execute("UPDATE resource SET path = %s, name = 'new' WHERE path = %s", (wanted, scene.dig))
        assert cursor.rowcount == 1
    assert answer.result(30).status_code == 409, answer.result().text
    assert "can no longer be replaced; it is Approved" in answer.result().text
