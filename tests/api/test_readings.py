"""Readings of clusters for a status in detail, at their limits: too much, too long, too many at once."""
import concurrent.futures
import json
import pathlib
import shutil
import time

import pytest

from conftest import STAGE, wait_for
from emco import Scene, chart

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {text: rendered}\n"
NAMED = {"name": "web", "namespace": "default"}
TOLD = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": NAMED, "data": {"text": "told"}}
DETAIL = "status=ready&output=detail"
AT_ONCE, MORE = 8, 4                          # READINGS_MAX of host/orchestrator/status_live.c, and some for whom it is too late


@pytest.fixture
def deployment(make_daemon, tmp_path, unique, remote):
    """Makes a deployment of one ConfigMap whose synchroniser tells TOLD of it, and does what options say."""
    plugins = tmp_path / "plugins"
    plugins.mkdir(mode=0o755)
    shutil.copy(pathlib.Path(STAGE).parent / "tests" / "plugins" / "test-teller.so", plugins)

    def make(options):
        tells = json.dumps(f"0|web+ConfigMap|{json.dumps(TOLD)}")
        teller = f'plugin = "test-teller";\noptions = {{ tells = [{tells}]; {options} }};\n'
        daemon = make_daemon(controllers={"teller": teller}, options={"plugin_dir": str(plugins)}).start()
        scene = Scene(daemon.client(), unique).clusters({"one": remote()}).cloud()
        scene.apps({"web": chart("web", {"map.yaml": MAP})}).deployment({"web": scene.by_name("one")}).instantiate(wait=False)
        wait_for(lambda: daemon.count("unit") == 1, what="the unit")
        # The synchroniser watches nothing: what a watch would have told.
        daemon.sql("INSERT INTO unit_seen (unit, name, api_version, ready, is_tracked, is_member, session, reason) "
                   "SELECT id, 'web+ConfigMap', 'v1', true, true, true, 1, '' FROM unit RETURNING unit")
        return daemon, scene
    return make


def texts(status):
    return [r["detail"]["data"]["text"] for app in status["apps"] for c in app["clusters"] for r in c["resources"]]


def thread_count(daemon):
    return len(list(pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir()))


def test_more_than_an_answer_can_hold_is_refused_with_what_to_do(deployment):
    daemon, scene = deployment("repeat = 200; pad = 1048576;")
    answer = scene.api.get(f"{scene.dig}/status?{DETAIL}")
    assert answer.status_code == 413, answer.text[:1000]
    assert "more than 128 MB" in answer.text and '"resource"' in answer.text.replace("\\", "")
    assert scene.status("status=ready")["readyStatus"]
    assert daemon.stop() == 0


def test_a_synchroniser_that_does_not_come_back_costs_its_time_and_no_more(deployment):
    daemon, scene = deployment("ms = 7000; heeds = false;")
    threads, begun = thread_count(daemon), time.monotonic()
    assert texts(scene.status(DETAIL)) == ["rendered"]
    assert 4 < time.monotonic() - begun < 8
    assert scene.status("status=ready")["readyStatus"]
    wait_for(lambda: thread_count(daemon) <= threads, what="the end of the call that nobody waits for")
    assert daemon.stop() == 0


def test_who_comes_while_many_read_gets_what_was_rendered_at_once(deployment):
    daemon, scene = deployment("ms = 3000;")

    def look(_):
        begun = time.monotonic()
        (text,) = texts(daemon.client().get(f"{scene.dig}/status?{DETAIL}").json())
        return text, time.monotonic() - begun
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE + MORE) as pool:
        seen = list(pool.map(look, range(AT_ONCE + MORE)))
    assert sorted(text for text, _ in seen) == MORE * ["rendered"] + AT_ONCE * ["told"]
    assert all(seconds < 2.5 for text, seconds in seen if text == "rendered"), seen
    assert look(None)[0] == "told"
    assert daemon.stop() == 0
