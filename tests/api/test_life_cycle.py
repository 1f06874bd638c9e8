"""The life of a deployment over REST: one operation at a time, at most so many at once; back to earlier revisions; over to another deployment; what is remembered."""
import shutil
import threading

import pytest
import requests

from conftest import DEFAULT_CONTROLLERS, STAGE, wait_for
from emco import Scene, named, profile, simple_chart

SLOW_MS = 3000
SLOW = f'plugin = "test-slow";\nname = "slow";\noptions = {{ ms = {SLOW_MS}; }};\n'


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """The plugins that come with the daemon, and the slow one."""
    folder = tmp_path_factory.mktemp("plugins")
    for source in [*(STAGE / "lib" / "emco" / "plugins").glob("*.so"), STAGE.parent / "tests" / "plugins" / "test-slow.so"]:
        shutil.copy(source, folder)
    return folder


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, postgres, helm, plugins):
    """One operation at a time, and a controller that takes its time."""
    from conftest import Daemon
    server = Daemon(tmp_path_factory.mktemp("emcod"), postgres, helm, {"plugin_dir": str(plugins), "operations": 1},
                    {**DEFAULT_CONTROLLERS, "slow": SLOW}).start()
    yield server
    status = server.stop()
    assert status == 0, f"emcod stopped with {status}: {server.tail(60)}"


def slow_scene(api, unique, remote):
    scene = Scene(api, unique).clusters({"one": remote("one")}).cloud().apps({"web": simple_chart("web")})
    return scene.deployment({"web": scene.by_name("one")}, {"slow": "any"})


@pytest.fixture
def scene(api, unique, remote):
    return slow_scene(api, unique, remote)


class Running:
    """A verb in the background, from when its row is there."""

    def __init__(self, daemon, scene, verb, survives=True):
        self.answer = None

        def post():
            try:
                self.answer = daemon.client().post(f"{scene.dig}/{verb}")
            except requests.RequestException:
                assert not survives
        self.thread = threading.Thread(target=post)
        self.thread.start()
        wait_for(lambda: daemon.count("operation", f"kind = '{verb}'") == 1, 10, "the operation to begin")

    def end(self):
        self.thread.join(60)
        return self.answer


def test_while_one_operation_runs_every_other_step_is_refused_and_told_which(daemon, api, scene):
    running = Running(daemon, scene, "instantiate")
    document = api.get(scene.dig).json()
    for answer in [api.post(f"{scene.dig}/{verb}") for verb in ("approve", "stop")] + \
            [api.put(scene.dig, document), api.delete(scene.dig)]:
        assert answer.status_code == 409, answer.text
        assert f'"{scene.dig}": instantiate has been running since' in answer.text and "Wait until it has ended" in answer.text
    assert running.answer is None, "it ran all the while"
    assert running.end().status_code == 202
    scene.wait("Instantiated")
    assert [action["state"] for action in scene.status()["states"]["actions"]] == ["Created", "Approved", "Instantiated"]


def test_all_that_an_instantiation_needs_and_nobody_has_made_is_named_at_once(api, unique):
    api.make("projects", named(unique))
    api.make(f"projects/{unique}/composite-apps", named("ca", compositeAppVersion="v1"))
    version = f"projects/{unique}/composite-apps/ca/v1"
    api.make(f"{version}/deployment-intent-groups",
             named("dig", compositeProfile="no-profile", version="r1", logicalCloud="no-cloud", overrideValues=[]))
    dig = f"{version}/deployment-intent-groups/dig"
    api.make(f"{dig}/intents", named("all", intent={"genericPlacementIntent": "no-intent"}))
    api.make(f"{dig}/approve")
    answer = api.post(f"{dig}/instantiate")
    assert answer.status_code == 404, answer.text
    for words in (f'"projects/{unique}/logical-clouds/no-cloud"', f'"{version}/composite-profiles/no-profile"', "and 2 more"):
        assert words in answer.text, "as many as fit a message, and how many more"


def test_past_the_limit_operations_are_refused_for_now(daemon, api, scene):
    other = f"{scene.version}/deployment-intent-groups/other"
    answer = api.post(f"{scene.version}/deployment-intent-groups", {**api.get(scene.dig).json(), "metadata": {"name": "other"}})
    assert answer.status_code == 201, answer.text
    api.make(f"{other}/approve")
    running = Running(daemon, scene, "instantiate")
    answer = api.post(f"{other}/instantiate")
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "1", answer.text
    assert "1 operations are running" in answer.text
    told = api.post(f"{other}/instantiate?dryRun=true")
    assert (told.status_code, told.headers.get("Retry-After"), told.text) == (503, "1", answer.text), "a dry run costs the same"
    assert running.answer is None, "it ran all the while"
    assert running.end().status_code == 202
    told = api.post(f"{other}/instantiate?dryRun=true")
    assert told.status_code == 404 and "genericPlacementIntent" in told.text, "its turn has come"
    answer = api.post(f"{other}/instantiate")
    assert answer.status_code == 404 and "genericPlacementIntent" in answer.text, "its turn has come"


def test_while_one_operation_runs_a_dry_run_on_the_same_is_refused_with_its_words(make_daemon, plugins, unique, remote):
    """Where there is room for several operations: it is the deployment that is taken, not the server."""
    server = make_daemon(options={"plugin_dir": str(plugins), "operations": 4},
                         controllers={**DEFAULT_CONTROLLERS, "slow": SLOW}).start()
    api = server.client()
    scene = slow_scene(api, unique, remote)
    move = {"spec": {"targetCompositeAppVersion": "v1", "targetDeploymentIntentGroup": "other"}}
    running = Running(server, scene, "instantiate")
    for verb, body in (("instantiate", {}), ("update", {}), ("rollback", {"spec": {"revision": 1}}), ("migrate", move)):
        told, real = api.post(f"{scene.dig}/{verb}?dryRun=true", body), api.post(f"{scene.dig}/{verb}", body)
        assert told.status_code == 409 and "instantiate has been running since" in told.text, (verb, told.text)
        assert (real.status_code, real.text) == (409, told.text), verb
    assert running.answer is None, "it ran all the while"
    assert running.end().status_code == 202
    scene.wait("Instantiated")
    assert api.post(f"{scene.dig}/update?dryRun=true").status_code == 200


def test_a_rollback_commits_what_differs_and_answers_a_new_revision(api, unique, remote):
    one, two = remote("one"), remote("two")
    scene = Scene(api, unique).clusters({"one": one, "two": two}).cloud()
    scene.apps({"web": simple_chart("web"), "db": simple_chart("db")})
    scene.deployment({"web": scene.by_name("one"), "db": scene.by_name("two")})

    def rollback(revision):
        return api.post(f"{scene.dig}/rollback", {"metadata": {"name": "", "description": "why"}, "spec": {"revision": revision}})

    refused = rollback(1)
    assert refused.status_code == 409 and "is not instantiated" in refused.text
    scene.instantiate()
    first = one.files()
    scene.profile("web", profile("replicas: 3\n"))
    assert api.post(f"{scene.dig}/update").status_code == 202
    scene.wait("Instantiated")
    second = one.files()
    assert first != second
    head = one.head(), two.head()

    answer = rollback("1")
    assert (answer.status_code, answer.text) == (202, "3\n"), answer.text
    status = scene.wait("Instantiated")
    assert one.files() == first
    assert two.head() == head[1], "nothing to change there"
    assert [path.rsplit("/", 1)[1] for path in one.git("diff", "--name-only", head[0], "main").split()] == ["r1-web+Deployment.yaml"]
    actions = status["states"]["actions"]
    assert [(a["state"], a["revision"]) for a in actions][2:] == \
        [("Instantiated", 1), ("Updated", 1), ("Instantiated", 2), ("Updated", 2), ("Instantiated", 3)]
    assert actions[-1]["instance"] == actions[2]["instance"]

    head = one.head()
    assert rollback(3).text == "4\n"
    scene.wait("Instantiated")
    assert one.head() == head, "what is there already is not sent again"
    assert rollback(2).text == "5\n"
    scene.wait("Instantiated")
    assert one.files() == second

    refused = rollback(9)
    assert refused.status_code == 404 and "there is 1, 2, 3, 4, 5" in refused.text, refused.text
    for bad in ("abc", "", -1, 1.5, None, "9" * 19, [1], "1 "):
        refused = rollback(bad)
        assert refused.status_code == 400 and "/spec/revision" in refused.text, (bad, refused.status_code, refused.text)
    assert api.post(f"{scene.dig}/rollback").status_code == 400
    assert api.post(f"{scene.dig}/rollback", {}).status_code == 400
    assert api.request("POST", f"{scene.dig}/rollback", data="{").status_code == 422


def second_version(scene, image):
    """Version v2 of the composite app, with an approved deployment `next` of its own."""
    api, version = scene.api, scene.version[:-2] + "v2"
    api.make(f"projects/{scene.project}/composite-apps", named("ca", compositeAppVersion="v2"))
    api.make(f"{version}/composite-profiles", named("cp"))
    for app in ("web", "db"):
        api.make(f"{version}/apps", named(app), simple_chart(app))
        api.make(f"{version}/composite-profiles/cp/profiles", named(app, app=app), profile(f"image: {image}\n" if app == "web" else "{}\n"))
    dig = f"{version}/deployment-intent-groups/next"
    api.make(f"{version}/deployment-intent-groups",
             named("next", compositeProfile="cp", version="r1", logicalCloud="lc", overrideValues=[]))
    api.make(f"{dig}/generic-placement-intents", named("gpi"))
    for app, cluster in (("web", "one"), ("db", "two")):
        api.make(f"{dig}/generic-placement-intents/gpi/app-intents", named(app, app=app, intent=scene.by_name(cluster)))
    api.make(f"{dig}/intents", named("all", intent={"genericPlacementIntent": "gpi"}))
    return dig


def test_a_migration_to_another_version_replaces_what_differs_only(api, unique, remote):
    one, two = remote("one"), remote("two")
    scene = Scene(api, unique).clusters({"one": one, "two": two}).cloud()
    scene.apps({"web": simple_chart("web"), "db": simple_chart("db")})
    scene.deployment({"web": scene.by_name("one"), "db": scene.by_name("two")})
    scene.instantiate()
    context = scene.status()["states"]["statusctxid"]
    head = one.head(), two.head()
    source, target = scene.dig, second_version(scene, "nginx:1.28")

    def migrate(version="v2", name="next"):
        return api.post(f"{source}/migrate", {"metadata": {"name": ""}, "spec": {"targetCompositeAppVersion": version,
                                                                             "targetDeploymentIntentGroup": name}})

    refused = migrate()
    assert refused.status_code == 409 and "must be Approved" in refused.text, refused.text
    api.make(f"{target}/approve")
    refused = migrate(name="nobody")
    assert refused.status_code == 404 and "nobody" in refused.text, refused.text
    refused = migrate("v1", "dig")
    assert refused.status_code == 400, refused.text
    refused = api.post(f"{source}/migrate", {"spec": {"targetCompositeAppVersion": "a/b"}})
    assert refused.status_code == 400 and "/spec/targetCompositeAppVersion" in refused.text
    assert "targetDeploymentIntentGroup" in refused.text, "all faults at once"
    assert (one.head(), two.head()) == head

    answer = migrate()
    assert (answer.status_code, answer.text) == (202, ""), answer.text
    scene.dig = target
    status = scene.wait("Instantiated")
    assert status["states"]["statusctxid"] == context, "objects keep their label"
    assert two.head() == head[1], "db is the same in both"
    assert [path.rsplit("/", 1)[1] for path in one.git("diff", "--name-only", head[0], "main").split()] == ["r1-web+Deployment.yaml"]

    assert api.post(f"{source}/terminate").status_code == 409
    answer = api.get(f"{source}/status?status=deployed")
    assert answer.status_code == 200 and answer.json()["states"]["actions"][-1]["state"] == "Updated"
    for mode, word in (("deployed", "deployedStatus"), ("ready", "readyStatus")):
        left = api.get(f"{source}/status?status={mode}").json()
        objects = [r for app in left["apps"] for c in app["clusters"] for r in c["resources"]]
        assert objects and not any(word in r for r in objects), "how they are is the target's to say"
        assert not left.get(f"{mode}Counts") and "readyStatus" not in left, left
    assert "readyStatus" not in api.get(f"{source}/status?status=ready&output=summary").json()
    for path in ("intents/all", "generic-placement-intents/gpi/app-intents/web", "generic-placement-intents/gpi/app-intents/db",
                 "generic-placement-intents/gpi", ""):
        answer = api.delete(f"{source}/{path}".rstrip("/"))
        assert answer.status_code == 204, answer.text
    assert api.post(f"{target}/update").text == "2\n"
    scene.wait("Instantiated")
    assert two.head() == head[1]
    assert api.post(f"{target}/terminate").status_code == 202
    scene.wait("Terminated")
    assert one.files() == {} and two.files() == {}


def test_the_history_keeps_the_last_thousand_whatever_is_done(daemon, api, unique):
    version = f"projects/{unique}/composite-apps/ca/v1"
    api.make("projects", named(unique))
    api.make(f"projects/{unique}/composite-apps", named("ca", compositeAppVersion="v1"))
    api.make(f"{version}/deployment-intent-groups", named("dig", compositeProfile="cp", version="r1", logicalCloud="lc"))
    dig = f"{version}/deployment-intent-groups/dig"
    daemon.sql(f"""INSERT INTO history (owner, token, kind, client, request, began, ended, outcome, revision, error)
                   SELECT id, n, 'update', '', '', now(), now(), 'done', n, '' FROM resource, generate_series(1, 1500) n
                    WHERE path = '{dig}' RETURNING seq""")
    for verb, code in (("approve", 202), ("update", 409), ("instantiate", 404)):          # a step; what fails at once, and later
        answer = api.post(f"{dig}/{verb}")
        assert answer.status_code == code, (verb, answer.text)
        entries = api.get(f"{dig}/history?limit=1000")
        assert len(entries.json()) == 1000 and "next" not in entries.links and entries.json()[0]["operation"] == verb, verb
        assert daemon.count("history", f"owner = (SELECT id FROM resource WHERE path = '{dig}')") == 1000, verb


def test_the_history_says_who_did_what_and_what_became_of_it(daemon, api, scene):
    def history(query=""):
        answer = api.get(f"{scene.dig}/history{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert [entry["operation"] for entry in history()] == ["approve"]
    assert api.post(f"{scene.dig}/update").status_code == 409
    answer = api.post(f"{scene.dig}/instantiate", headers={"X-Request-Id": "the-first"})
    assert answer.status_code == 202
    scene.wait("Instantiated")
    done, failed, approved = history()
    assert (done["operation"], done["outcome"], done["revision"], done["request"]) == ("instantiate", "done", 1, "the-first")
    assert done["client"] == "127.0.0.1" and done["user"] == "" and done["began"] < done["ended"] and "error" not in done
    assert (failed["operation"], failed["outcome"], failed["revision"]) == ("update", "failed", 0)
    assert "is not instantiated" in failed["error"] and failed["request"]
    assert approved["outcome"] == "done"

    assert [entry["operation"] for entry in history("?limit=1")] == ["instantiate"]
    pages, url = [], f"{scene.dig}/history?limit=2"
    while url:                           # as a list's pages, by the Link header
        answer = api.get(url)
        assert answer.status_code == 200, answer.text
        pages.append([entry["operation"] for entry in answer.json()])
        url = answer.links["next"]["url"].removeprefix("/v2/") if "next" in answer.links else None
    assert pages == [["instantiate", "update"], ["approve"]]
    assert "next" not in api.get(f"{scene.dig}/history?limit=3").links
    assert [entry["operation"] for entry in history(f"?limit=1&continue={done['sequence']}")] == ["update"]
    for query in ("?limit=0", "?limit=1001", "?limit=x", "?continue=x", "?continue=-1", "?continue=99999999999999999999"):
        answer = api.get(f"{scene.dig}/history{query}")
        assert answer.status_code == 400, (query, answer.text)
    assert api.get(f"{scene.dig}x/history").status_code == 404

    # A process that dies with it: the next operation finds it, and says so.
    running = Running(daemon, scene, "update", survives=False)
    daemon.kill()
    running.thread.join(60)
    daemon.start()
    assert api.post(f"{scene.dig}/terminate").status_code == 202
    terminated, lost = history()[:2]
    assert (terminated["operation"], terminated["outcome"]) == ("terminate", "done")
    assert (lost["operation"], lost["outcome"], lost["revision"]) == ("update", "lost", 0) and lost["error"], lost
    scene.wait("Terminated")

    # All that its asker was told.
    assert api.delete(f"{scene.dig}/generic-placement-intents/gpi/app-intents/web").status_code == 204
    answer = api.post(f"{scene.dig}/instantiate")
    assert answer.status_code == 409 and len(answer.text.splitlines()) == 2, answer.text
    assert history("?limit=1")[0]["error"] == ". ".join(answer.text.splitlines())
