"""What refers to what: a thing that is named cannot go, and who names it is told."""
import pytest

from emco import named, profile, simple_chart

GIT = {"gitOpsType": "fluxcd", "gitOpsReferenceObject": "git", "gitOpsResourceObject": "git"}


@pytest.fixture
def tree(api, unique):
    """One of everything that refers or is referred to, below names of its own."""
    at = {"project": f"projects/{unique}", "provider": f"cluster-providers/{unique}", "controller": f"controllers/{unique}"}
    at["version"] = f"{at['project']}/composite-apps/ca/v1"
    at["group"] = f"{at['version']}/deployment-intent-groups/d"
    at["gpi"] = f"{at['group']}/generic-placement-intents/g"
    at["cluster"], at["sync"] = f"{at['provider']}/clusters/c", f"{at['provider']}/cluster-sync-objects/git"
    at["label"] = f"{at['cluster']}/labels/south"
    at["profile"], at["app"] = f"{at['version']}/composite-profiles/cp", f"{at['version']}/apps/web"
    at["cloud"] = f"{at['project']}/logical-clouds/lc"
    api.make("projects", named(unique))
    api.make("cluster-providers", named(unique))
    api.make("controllers", named(unique, host="h", port=1))
    api.make(f"{at['provider']}/cluster-sync-objects", named("git", kv=[]))
    assert api.upload(f"{at['provider']}/clusters", named("c", gitOps=GIT)).status_code == 201
    api.make(f"{at['cluster']}/labels", {"clusterLabel": "south"})
    api.make(f"{at['project']}/composite-apps", named("ca", compositeAppVersion="v1"))
    api.make(f"{at['version']}/apps", named("web"), simple_chart("web"))
    api.make(f"{at['version']}/apps", named("db"), simple_chart("db"))
    api.make(f"{at['version']}/composite-profiles", named("cp"))
    api.make(f"{at['project']}/logical-clouds", named("lc", level="0"))
    return at


def group(api, at):
    api.make(f"{at['version']}/deployment-intent-groups",
             named("d", compositeProfile="cp", version="r1", logicalCloud="lc", overrideValues=[]))
    return at["group"]


def app_intent(api, at, **intent):
    group(api, at)
    api.make(f"{at['group']}/generic-placement-intents", named("g"))
    api.make(f"{at['gpi']}/app-intents", named("i", app="web", intent=intent))
    return f"{at['gpi']}/app-intents/i"


def app_profile(api, at):
    api.make(f"{at['profile']}/profiles", named("p", app="web"), profile())
    return f"{at['profile']}/profiles/p"


def dependency(api, at):
    api.make(f"{at['app']}/dependency", named("dep", app="db", opStatus="Ready"))
    return f"{at['app']}/dependency/dep"


def group_intent(api, at):
    group(api, at)
    api.make(f"{at['group']}/intents", named("gi", intent={at["controller"].split("/")[1]: "i"}))
    return f"{at['group']}/intents/gi"


def cluster_reference(api, at):
    api.make(f"{at['cloud']}/cluster-references", named("r", clusterProvider=at["provider"].split("/")[1], cluster="c"))
    return f"{at['cloud']}/cluster-references/r"


def placed(api, at):
    return app_intent(api, at, allOf=[{"clusterProvider": at["provider"].split("/")[1], "cluster": "c"}])


def placed_any(api, at):
    return app_intent(api, at, allOf=[{"anyOf": [{"clusterProvider": at["provider"].split("/")[1], "cluster": "c"}]}])


@pytest.mark.parametrize("what,by", [
    ("app", app_profile), ("app", placed), ("app", dependency), ("profile", group), ("cloud", group), ("controller", group_intent),
    ("cluster", cluster_reference), ("cluster", placed), ("cluster", placed_any),
    ("sync", lambda api, at: at["cluster"]), ("project", lambda api, at: at["version"]),
])
def test_what_is_named_cannot_go_until_who_names_it_has_gone(api, tree, what, by):
    for label in ("label",) if what == "cluster" else ():
        assert api.delete(tree[label]).status_code == 204
    holder = by(api, tree)
    if what == "project":
        assert api.delete(tree["cloud"]).status_code == 204
    answer = api.delete(tree[what])
    assert answer.status_code == 409 and holder in answer.text, answer.text
    assert api.get(tree[what]).status_code == 200
    for child in ([f"{holder}/labels/south"] if what == "sync" else
                  [f"{tree['app']}", f"{tree['version']}/apps/db", tree["profile"]] if what == "project" else []):
        assert api.delete(child).status_code == 204
    assert api.delete(holder).status_code == 204
    assert api.delete(tree[what]).status_code == 204


def test_labels_and_values_of_group_intents_are_names_that_protect_nothing(api, tree):
    app_intent(api, tree, allOf=[{"clusterProvider": tree["provider"].split("/")[1], "clusterLabel": "south"}])
    api.make(f"{tree['group']}/intents", named("gi", intent={"genericPlacementIntent": "g"}))
    assert api.delete(tree["label"]).status_code == 204
    assert api.delete(f"{tree['gpi']}/app-intents/i").status_code == 204
    assert api.delete(tree["gpi"]).status_code == 204


def test_strict_references_want_controllers_that_are_loaded_or_recorded(make_daemon):
    api = make_daemon(options={"strict_references": True}).start().client()
    api.make("projects", named("p"))
    api.make("projects/p/composite-apps", named("ca", compositeAppVersion="v1"))
    api.make("projects/p/composite-apps/ca/v1/composite-profiles", named("cp"))
    api.make("projects/p/logical-clouds", named("lc", level="0"))
    group = "projects/p/composite-apps/ca/v1/deployment-intent-groups"
    api.make(group, named("d", compositeProfile="cp", version="r1", logicalCloud="lc", overrideValues=[]))
    api.make(f"{group}/d/intents", named("loaded", intent={"nearest": "x"}))
    answer = api.post(f"{group}/d/intents", named("none", intent={"nearest": "x", "zorro": "x", "far": "x"}))
    assert answer.status_code == 409 and '"controllers/far", "controllers/zorro"' in answer.text and "nearest" not in answer.text
    api.make("controllers", named("far", host="far.example", port=9000, type="action"))
    api.make("controllers", named("zorro", host="zorro.example", port=9000, type="action"))
    api.make(f"{group}/d/intents", named("none", intent={"nearest": "x", "zorro": "x", "far": "x"}))


def test_what_no_controller_can_be_called_is_no_key_of_an_intent(api, tree):
    group(api, tree)
    for key in ("", "a b", "a/b", "../p", "a\nb", "x" * 129):
        answer = api.post(f"{tree['group']}/intents", named("odd", intent={key: "x"}))
        assert answer.status_code == 400 and answer.text.startswith("/spec/intent/"), (key, answer.text)
    answer = api.post(f"{tree['group']}/intents", named("null", intent={"zn": None}))
    assert answer.status_code == 201 and answer.json()["spec"]["intent"] == {"zn": ""}, answer.text


def test_strict_references_want_what_is_named_to_be_there(make_daemon):
    api = make_daemon(options={"strict_references": True}).start().client()
    api.make("projects", named("p"))
    api.make("projects/p/composite-apps", named("ca", compositeAppVersion="v1"))
    version = "projects/p/composite-apps/ca/v1"
    groups = f"{version}/deployment-intent-groups"
    body = named("d", compositeProfile="cp", version="r1", logicalCloud="lc", overrideValues=[])
    answer = api.post(groups, body)
    assert answer.status_code == 409 and f"{version}/composite-profiles/cp" in answer.text
    assert api.get(f"{groups}/d").status_code == 404
    api.make(f"{version}/composite-profiles", named("cp"))
    answer = api.put(f"{groups}/d", body)
    assert answer.status_code == 409 and "projects/p/logical-clouds/lc" in answer.text
    api.make("projects/p/logical-clouds", named("lc", level="0"))
    assert api.post(groups, body).status_code == 201
    # A value of a group intent is a name, no reference: it may come first.
    api.make(f"{groups}/d/intents", named("gi", intent={"genericPlacementIntent": "g"}))
    api.make(f"{groups}/d/generic-placement-intents", named("g"))
    answer = api.post(f"{groups}/d/generic-placement-intents/g/app-intents", named("i", app="web", intent={}))
    assert answer.status_code == 409 and f"{version}/apps/web" in answer.text
    api.make(f"{version}/apps", named("web"), simple_chart("web"))
    api.make(f"{groups}/d/generic-placement-intents/g/app-intents", named("i", app="web", intent={}))
