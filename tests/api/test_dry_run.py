"""What an operation would do, told instead of done: the same faults, and nothing written."""
import pytest

from conftest import wait_for
from emco import KubeScene, Scene, chart, named, profile, simple_chart

TABLES = ("app_context", "unit", "action", "operation", "history", "outbox", "resource_set", "manifest", "unit_wait")


@pytest.fixture
def scene(api, unique, remote):
    scene = Scene(api, unique).clusters({name: remote(name) for name in ("one", "two", "three")}, {"one": ["edge"]}).cloud()
    scene.git_cluster("nine", remote("nine"))                # after the cloud, which does not have it
    scene.apps({"web": simple_chart("web"), "db": simple_chart("db")})
    return scene.deployment({"web": scene.any_of("two", "three", "nine"), "db": scene.by_label("edge")}, {"nearest": "fast"})


def near(scene):
    scene.api.make(f"{scene.dig}/nearest-intents", named("fast", app="web", clusterLabel="ssd"))
    scene.api.make(f"cluster-providers/{scene.provider}/clusters/three/labels", {"clusterLabel": "ssd"})


def rows(daemon):
    return {table: daemon.count(table) for table in TABLES}


def dry(scene, verb, query="", body=None, code=200):
    answer = scene.api.post(f"{scene.dig}/{verb}?dryRun=true{query}", body or {})
    assert answer.status_code == code, answer.text
    return answer.json() if code == 200 else answer.text


def over(name, version="v1"):
    return {"spec": {"targetCompositeAppVersion": version, "targetDeploymentIntentGroup": name}}


def make_group(scene, name, cluster):
    """Another deployment of the same apps, with both on cluster, not approved."""
    group = f"{scene.version}/deployment-intent-groups/{name}"
    answer = scene.api.post(f"{scene.version}/deployment-intent-groups",
                            {**scene.api.get(scene.dig).json(), "metadata": {"name": name}})
    assert answer.status_code == 201, answer.text
    scene.api.make(f"{group}/generic-placement-intents", named("gpi"))
    for app in ("web", "db"):
        scene.api.make(f"{group}/generic-placement-intents/gpi/app-intents", named(app, app=app, intent=scene.by_name(cluster)))
    scene.api.make(f"{group}/intents", named("all", intent={"genericPlacementIntent": "gpi"}))
    return group


def places(told):
    return {(app["name"], place["cluster"]): place for app in told["apps"] for place in app["clusters"]}


def changes(told):
    return {where: place["change"] for where, place in places(told).items()}


def test_it_says_where_apps_would_go_and_why_and_writes_nothing(daemon, api, scene):
    near(scene)
    before = rows(daemon)
    told = dry(scene, "instantiate")
    assert (told["operation"], told["revision"]) == ("instantiate", 1)
    assert told["clusters"] == {"none": 0, "add": 2, "change": 0, "remove": 0}
    assert told["resources"]["add"] == sum(len(place["resources"]) for place in places(told).values()) > 0
    assert changes(told) == {("db", "one"): "add", ("web", "three"): "add"}
    db, web = places(told)["db", "one"], places(told)["web", "three"]
    assert db["clusterProvider"] == scene.provider
    assert db["placement"] == {"intent": "db", "because": f'label "edge" of provider "{scene.provider}"', "mandatory": True, "group": "1"}
    assert web["placement"]["mandatory"] is False and web["placement"]["because"].startswith('one of cluster "two" of provider')
    assert [(one["GVK"]["Kind"], one["name"], one["change"]) for one in web["resources"]] == \
        [("ConfigMap", "r1-web", "add"), ("Deployment", "r1-web", "add")]
    passed = {one["cluster"]: one["why"] for one in next(app for app in told["apps"] if app["name"] == "web")["passedOver"]}
    assert passed == {"two": 'controller "nearest" dropped it', "nine": "the logical cloud does not have it"}
    summary = dry(scene, "instantiate", "&output=summary")
    assert summary == {key: told[key] for key in ("operation", "revision", "clusters", "resources")}
    assert rows(daemon) == before

    scene.instantiate()
    status = scene.status()
    assert {(app["name"], place["cluster"]) for app in status["apps"] for place in app["clusters"]} == set(places(told))


def test_the_status_says_why_as_the_dry_run_did(api, scene):
    near(scene)
    told = {where: place["placement"] for where, place in places(dry(scene, "instantiate")).items()}
    scene.instantiate()
    for query in ("status=deployed", "status=ready&output=detail", "type=rsync"):
        assert {where: place["placement"] for where, place in places(scene.status(query)).items()} == told, query
    api.make(f"{scene.dig}/terminate")
    scene.wait("Terminated")
    assert {where: place["placement"] for where, place in places(scene.status()).items()} == told


def test_of_several_intents_the_one_that_was_created_first_counts(api, scene):
    """Not the first by name: group intents, and app intents of one app."""
    near(scene)
    intents = f"{scene.dig}/generic-placement-intents/gpi/app-intents"
    api.make(intents, named("a-later", app="db", intent=scene.by_name("three")))
    api.make(f"{scene.dig}/generic-placement-intents", named("a-other"))
    api.make(f"{scene.dig}/intents", named("a-later", intent={"genericPlacementIntent": "a-other"}))
    assert places(dry(scene, "instantiate"))["db", "one"]["placement"]["intent"] == "db"

    assert api.delete(f"{intents}/db").status_code == 204
    api.make(intents, named("db", app="db", intent=scene.by_name("two")))        # made anew, so it is the later one now
    assert places(dry(scene, "instantiate"))["db", "three"]["placement"]["intent"] == "a-later"


def test_it_says_what_an_update_and_a_rollback_would_change(daemon, api, scene):
    near(scene)
    scene.instantiate()
    assert changes(dry(scene, "update")) == {("db", "one"): "none", ("web", "three"): "none"}

    def place_db(cluster):
        answer = api.put(f"{scene.dig}/generic-placement-intents/gpi/app-intents/db",
                         named("db", app="db", intent=scene.by_name(cluster)))
        assert answer.status_code == 200, answer.text
    scene.profile("web", profile("replicas: 3\n"))
    place_db("two")
    head = {name: remote.head() for name, remote in scene.remotes.items()}
    before = rows(daemon)
    told = dry(scene, "update")
    assert told["revision"] == 2
    found = changes(told)
    web = ("web", "three")
    assert found == {("db", "one"): "remove", ("db", "two"): "add", web: "change"}
    assert told["clusters"] == {"none": 0, "add": 1, "change": 1, "remove": 1}
    assert "placement" not in places(told)["db", "one"]
    assert [(one["GVK"]["Kind"], one["change"]) for one in places(told)[web]["resources"]] == \
        [("ConfigMap", "none"), ("Deployment", "change")], "objects that stay are told from those that do not"
    assert rows(daemon) == before and head == {name: remote.head() for name, remote in scene.remotes.items()}

    assert api.post(f"{scene.dig}/update").text == "2\n"
    scene.wait("Instantiated")
    back = dry(scene, "rollback", body={"spec": {"revision": 1}})
    assert (back["operation"], back["revision"]) == ("rollback", 3)
    assert changes(back) == {("db", "one"): "add", ("db", "two"): "remove", web: "change"}
    assert "has no revision 9" in dry(scene, "rollback", body={"spec": {"revision": 9}}, code=404)

    body = over("other")
    assert "other" in dry(scene, "migrate", body=body, code=404)
    target = make_group(scene, "other", "two")
    assert "must be Approved" in dry(scene, "migrate", body=body, code=409)
    api.make(f"{target}/approve")
    before = rows(daemon)
    told = dry(scene, "migrate", body=body)
    assert (told["operation"], told["revision"]) == ("migrate", 1)
    assert changes(told)["db", "two"] == "none"
    assert rows(daemon) == before


HOOK = """apiVersion: v1
kind: ConfigMap
metadata: {name: %s, annotations: {"helm.sh/hook": "%s"}}
data: {text: {{ .Values.text | default "a" | quote }}}
"""
EVENTS = {"in": "pre-install", "both": "post-install,post-upgrade", "up": "pre-upgrade", "back": "post-rollback", "bye": "pre-delete"}
NOWHERE = b"""apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
users: [{name: u, user: {token: t}}]
"""


def hooks(told, cluster):
    """{name: change} of the objects of one cluster that are hooks."""
    return {one["name"]: one["change"] for one in places(told)["app", cluster]["resources"] if one["name"] in EVENTS}


def test_hooks_are_those_of_the_event_on_kubernetes_and_files_behind_git(api, unique, remote):
    templates = {f"{name}.yaml": HOOK % (name, events) for name, events in EVENTS.items()}
    templates["main.yaml"] = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: main}\ndata: {a: {{ .Values.text | default "a" | quote }}}\n'
    scene = KubeScene(api, unique).onboard({"kube": NOWHERE})        # asked by nobody: what is wanted counts, not what is there
    scene.git_cluster("git", remote("git"), ["edge"]).cloud().apps({"app": chart("app", templates)})
    scene.deployment({"app": scene.by_label("edge")})
    files = {"in": "add", "both": "add", "up": "add"}
    told = dry(scene, "instantiate")
    assert hooks(told, "kube") == {"in": "add", "both": "add"} and hooks(told, "git") == files
    assert told["resources"] == {"none": 0, "add": 2 + 2 + 3, "change": 0, "remove": 0}
    assert dry(scene, "instantiate", "&output=summary")["resources"] == told["resources"]

    scene.instantiate(wait=False)
    told = dry(scene, "update")
    assert hooks(told, "kube") == {} and hooks(told, "git") == dict.fromkeys(files, "none"), "equal sets run none"
    scene.profile("app", profile("text: b\n"))
    told = dry(scene, "update")
    assert hooks(told, "kube") == {"up": "change", "both": "change"} and hooks(told, "git") == dict.fromkeys(files, "change")
    assert api.post(f"{scene.dig}/update").status_code == 202
    told = dry(scene, "rollback", body={"spec": {"revision": 1}})
    assert hooks(told, "kube") == {"back": "change"} and hooks(told, "git") == dict.fromkeys(files, "change")

    intent = named("app", app="app", intent=scene.by_name("git"))
    assert api.put(f"{scene.dig}/generic-placement-intents/gpi/app-intents/app", intent).status_code == 200
    told = dry(scene, "update")
    assert changes(told) == {("app", "git"): "none", ("app", "kube"): "remove"}
    assert hooks(told, "kube") == {"bye": "add"}, "those of a delete are brought when all else goes"


def test_a_hook_behind_git_is_in_every_view_and_counts_for_no_readiness(api, unique, remote):
    """A Job, so of a kind that counts where it is no hook."""
    job = ('apiVersion: batch/v1\nkind: Job\nmetadata: {name: hj, annotations: {"helm.sh/hook": pre-install}}\n'
           'spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}\n')
    scene = Scene(api, unique).clusters({"one": remote("one")}).cloud().apps({"app": chart("app", {"job.yaml": job})})
    scene.deployment({"app": scene.by_name("one")}).instantiate()

    def look(query):
        return api.get(f"{scene.dig}/status?{query}").json()

    def shown(status):
        return [(one["name"], one.get("deployedStatus"), one.get("readyStatus"), one.get("clusterStatus"))
                for app in status.get("apps", []) for place in app["clusters"] for one in place["resources"]]
    assert shown(look("status=deployed")) == [("hj", "Applied", None, None)]
    for query in ("status=ready", "type=cluster", "status=ready&resource=hj"):
        assert shown(look(query)) == [("hj", None, None, None)], query
    for query in ("resources", "resources&status=deployed", "resources&status=ready", "resources&resource=hj"):
        listed = look(f"{query}=1" if query == "resources" else query.replace("resources&", "resources=1&"))["resourcesByApp"]
        assert [one["name"] for app in listed for one in app["resources"]] == ["hj"], query
    assert "readyCounts" not in look("status=ready") and "readyCounts" not in look("status=ready&output=summary&app=app")
    assert look("status=ready")["readyStatus"] == "Ready"


def test_it_is_refused_as_the_operation_is(api, scene):
    assert "is not instantiated" in dry(scene, "update", code=409)
    for query, name in (("dryRun=yes", "dryRun"), ("dryRun=", "dryRun"), ("dryRun=true&output=detail", "output")):
        answer = api.post(f"{scene.dig}/instantiate?{query}")
        assert answer.status_code == 400 and name in answer.text, answer.text
    assert api.delete(f"{scene.dig}/generic-placement-intents/gpi/app-intents/web").status_code == 204
    answer = api.post(f"{scene.dig}/instantiate")
    assert dry(scene, "instantiate", code=answer.status_code) == answer.text
    assert 'app "web" has no placement intent' in answer.text
    assert api.post(f"{scene.dig}/instantiate?dryRun=false").status_code == answer.status_code


def refused_alike(scene, verb, body=None):
    """The words with which both the dry run and the operation are refused, in this order: the second leaves a history."""
    path = f"{scene.dig}/{verb}"
    told = scene.api.post(f"{path}?dryRun=true", body or {})
    real = scene.api.post(path, body or {})
    assert 400 <= real.status_code < 500, real.text
    assert (told.status_code, told.text) == (real.status_code, real.text)
    return real.status_code, real.text


BACK = {"spec": {"revision": 1}}


def test_in_a_wrong_state_it_is_refused_with_the_words_of_the_operation(daemon, api, scene):
    near(scene)
    move = over("other")
    for verb, body in (("update", None), ("rollback", BACK), ("migrate", move)):
        code, text = refused_alike(scene, verb, body)
        assert code == 409 and "is not instantiated" in text, (verb, text)
    scene.instantiate()
    code, text = refused_alike(scene, "instantiate")
    assert code == 409 and "already been instantiated" in text, text
    api.make(f"{scene.dig}/terminate")
    scene.wait("Terminated")
    for verb, body in (("update", None), ("rollback", BACK), ("migrate", move)):
        assert refused_alike(scene, verb, body)[0] == 409, verb


def test_a_migration_is_refused_early_with_the_words_of_the_operation(daemon, api, scene):
    near(scene)
    scene.instantiate()
    other = make_group(scene, "other", "two")
    before = {table: daemon.count(table) for table in TABLES if table != "history"}
    for body, code, words in ((over("dig"), 400, "cannot migrate to itself"), (over("nobody"), 404, "nobody"),
                              (over("other", "v9"), 404, "v9"), (over("a/b"), 400, "/spec/targetDeploymentIntentGroup"),
                              (over("other"), 409, "must be Approved")):
        found = refused_alike(scene, "migrate", body)
        assert found[0] == code and words in found[1], found
    assert {table: daemon.count(table) for table in TABLES if table != "history"} == before

    # Approved again, while its remote is away and nobody could take away what it has there.
    place = scene.remotes["two"].path
    away = place.with_name(place.name + "-away")
    api.make(f"{other}/approve")
    api.make(f"{other}/instantiate")
    target = Scene(api, scene.name)
    target.dig = other
    target.wait("Instantiated")
    place.rename(away)
    try:
        api.make(f"{other}/terminate")
        api.make(f"{other}/approve")
        code, text = refused_alike(scene, "migrate", over("other"))
        assert code == 409 and "still has objects on cluster" in text, text
    finally:
        away.rename(place)
    wait_for(lambda: api.post(f"{scene.dig}/migrate?dryRun=true", over("other")).status_code == 200, 60, "room at the target")


def test_where_there_is_no_dry_run_nothing_is_done_either(api, scene):
    near(scene)
    scene.instantiate()
    before = scene.status()
    document = api.get(scene.dig).json()
    requests = [("POST", f"{scene.dig}/{verb}", None) for verb in ("terminate", "stop", "approve")]
    requests += [("POST", f"projects/{scene.project}/logical-clouds/lc/terminate", None), ("POST", "projects", named("dry")),
                 ("PUT", scene.dig, document), ("DELETE", f"{scene.dig}/intents/all", None)]
    for method, path, body in requests:
        answer = api.request(method, f"{path}?dryRun=true", json=body)
        assert answer.status_code == 400 and "there is no dry run of this; nothing was done" in answer.text, (method, path, answer.text)
    for name in ("dryrun", "DRYRUN"):
        answer = api.post(f"{scene.dig}/update?{name}=true")
        assert answer.status_code == 400 and f'is called "dryRun", got "{name}"; nothing was done' in answer.text, answer.text
    assert scene.status() == before
    assert api.get("projects/dry").status_code == 404 and api.get(f"{scene.dig}/intents").json() != []
