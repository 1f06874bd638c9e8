"""What an operation would do, told instead of done: the same faults, and nothing written."""
import pytest

from emco import Scene, named, profile, simple_chart

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

    target = f"{scene.version}/deployment-intent-groups/other"
    body = {"spec": {"targetCompositeAppVersion": "v1", "targetDeploymentIntentGroup": "other"}}
    assert "other" in dry(scene, "migrate", body=body, code=404)
    answer = api.post(f"{scene.version}/deployment-intent-groups", {**api.get(scene.dig).json(), "metadata": {"name": "other"}})
    assert answer.status_code == 201, answer.text
    assert "must be Approved" in dry(scene, "migrate", body=body, code=409)
    api.make(f"{target}/generic-placement-intents", named("gpi"))
    for app in ("web", "db"):
        api.make(f"{target}/generic-placement-intents/gpi/app-intents", named(app, app=app, intent=scene.by_name("two")))
    api.make(f"{target}/intents", named("all", intent={"genericPlacementIntent": "gpi"}))
    api.make(f"{target}/approve")
    before = rows(daemon)
    told = dry(scene, "migrate", body=body)
    assert (told["operation"], told["revision"]) == ("migrate", 1)
    assert changes(told)["db", "two"] == "none"
    assert rows(daemon) == before


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
