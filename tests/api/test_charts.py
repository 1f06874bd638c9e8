"""Charts that cannot be deployed: instantiate refuses with the reason and leaves nothing."""
import pytest

from conftest import wait_for
from emco import CONFIG_MAP, Scene, archive, chart, named, profile, simple_chart

BROKEN = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  v: {{ required \"the colour is missing\" .Values.colour }}\n"
ALIAS_BOMB = ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\ndata:\n  a: &a [x,x,x,x,x,x,x,x,x,x]\n"
              + "".join(f"  {chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(8)))


def bad_deployment(api, unique, remote, content, prof=None, overrides=None):
    scene = Scene(api, unique).clusters({"one": remote("one")}).cloud()
    scene.apps({"web": content}, {"web": prof} if prof else None)
    return scene.deployment({"web": scene.by_name("one")}, overrides=overrides)


@pytest.mark.parametrize("content,words", [
    (chart("web", {"x.yaml": BROKEN}), ["the colour is missing"]),
    (chart("web", {"x.yaml": "{{ nonsense }}"}), ["nonsense"]),
    (chart("web", {"x.yaml": "a: [b\n"}), ["web/templates/x.yaml"]),
    (chart("web", {"x.yaml": "kind: ConfigMap\nmetadata: {name: x}\n"}), ["apiVersion"]),
    (chart("web", {"x.yaml": ALIAS_BOMB}), ["alias"]),
    (chart("other", {"x.yaml": CONFIG_MAP % {"name": "x"}}), ["web"]),
    (archive({"web/README": "no chart"}), ["Chart.yaml"]),
])
def test_a_chart_that_cannot_be_rendered_is_refused_with_the_reason(daemon, api, unique, remote, content, words):
    scene = bad_deployment(api, unique, remote, content)
    before = daemon.count("app_context"), daemon.count("unit"), daemon.count("action")
    answer = api.post(f"{scene.dig}/instantiate")
    assert answer.status_code >= 400
    for word in words:
        assert word in answer.text, answer.text
    assert '"web"' in answer.text, "the app is named"
    assert (daemon.count("app_context"), daemon.count("unit"), daemon.count("action")) == before
    assert daemon.count("operation") == 0
    assert not list((daemon.data).rglob("Chart.yaml")), "the unpacked chart is removed"


@pytest.mark.parametrize("prof,word", [
    (archive({"other.yaml": "x: 1\n"}), "manifest.yaml"),
    (archive({"manifest.yaml": "version: v1\ntype:\n  values: missing.yaml\n"}), "missing.yaml"),
    (archive({"manifest.yaml": "version: v1\ntype:\n  values: ../../etc/passwd\n"}), "../../etc/passwd"),
    (profile(extra={"manifest.yaml": "version: v1\ntype:\n  values: override.yaml\n  configresource:\n"
                                     "  - filepath: override.yaml\n    chartpath: ../../out.yaml\n"}), "../../out.yaml"),
])
def test_a_profile_that_cannot_be_used_is_refused_with_the_reason(api, unique, remote, prof, word):
    scene = bad_deployment(api, unique, remote, simple_chart("web"), prof)
    answer = api.post(f"{scene.dig}/instantiate")
    assert answer.status_code >= 400 and word in answer.text, answer.text


@pytest.mark.parametrize("values,words", [
    ({"a[0]." * 40000 + "a": "1"}, "at most 60"),
    ({"a": "1,b"}, 'key "b" has no value'),
    ({"a[65537]": "1"}, "0 to 65536"),
    ({"a[9][65536][65536]": "1", **{f"b{i}[65536]": "1" for i in range(20)}}, "1000000"),
])
def test_override_values_that_cannot_be_set_are_refused(daemon, api, unique, remote, values, words):
    scene = bad_deployment(api, unique, remote, simple_chart("web"), overrides=[{"app": "web", "values": values}])
    answer = api.post(f"{scene.dig}/instantiate")
    assert answer.status_code in (400, 413) and words in answer.text, answer.text
    assert daemon.process.poll() is None and daemon.count("operation") == 0


def test_a_profile_replaces_chart_files(api, unique, remote):
    extra = {"manifest.yaml": "version: v1\ntype:\n  values: override.yaml\n  configresource:\n"
                              "  - filepath: map.yaml\n    chartpath: web/templates/map.yaml\n",
             "map.yaml": CONFIG_MAP % {"name": "replaced"}}
    scene = bad_deployment(api, unique, remote, simple_chart("web"), profile(extra=extra))
    scene.instantiate()
    assert "r1-replaced+ConfigMap.yaml" in scene.remotes["one"].objects(f"{scene.provider}+one")


def test_values_are_not_on_the_command_line(daemon, api, unique, remote):
    slow = chart("web", {"x.yaml": CONFIG_MAP % {"name": "x"}}, values="text: none\n")
    scene = bad_deployment(api, unique, remote, slow, overrides=[{"app": "web", "values": {"text": "secret-" + unique}}])
    import pathlib
    import threading
    seen, done = set(), threading.Event()

    def watch():
        while not done.is_set():
            for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = entry.read_bytes()
                except OSError:
                    continue
                if b"helm" in line:
                    seen.add(line)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        scene.instantiate()
    finally:
        done.set()
        watcher.join(10)
    assert seen, "helm was seen running"
    assert not any(b"secret-" + unique.encode() in line for line in seen)


def test_what_is_missing_is_named_all_at_once(api, unique, remote):
    scene = Scene(api, unique).clusters({"one": remote("one")}).cloud().apps({"web": simple_chart("web")})
    api.make(f"{scene.version}/deployment-intent-groups",
             named("dig", compositeProfile="nope", version="r1", logicalCloud="lc", overrideValues=[]))
    api.make(f"{scene.dig}/approve")
    answer = api.post(f"{scene.dig}/instantiate")
    assert answer.status_code in (404, 409) and "nope" in answer.text


def test_an_app_without_a_cluster_is_refused_and_its_intent_named(api, unique, remote):
    scene = Scene(api, unique).clusters({"one": remote("one")}).cloud().apps({"web": simple_chart("web")})
    scene.deployment({"web": scene.by_label("nowhere")})
    answer = api.post(f"{scene.dig}/instantiate")
    assert answer.status_code >= 400 and '"web"' in answer.text and "nowhere" in answer.text


def test_states_gate_what_may_be_done(api, unique, remote):
    scene = Scene(api, unique).clusters({"one": remote("one")}).cloud().apps({"web": simple_chart("web")})
    scene.deployment({"web": scene.by_name("one")}, approve=False)
    answer = api.post(f"{scene.dig}/instantiate")
    assert answer.status_code == 409 and "Approved" in answer.text
    body = named("dig", compositeProfile="cp", version="r2", logicalCloud="lc", overrideValues=[])
    assert api.put(scene.dig, body).status_code == 200
    api.make(f"{scene.dig}/approve")
    assert api.put(scene.dig, body).status_code == 409
    scene.instantiate()
    assert api.post(f"{scene.dig}/instantiate").status_code == 409
    clouds = f"projects/{scene.project}/logical-clouds/lc"
    assert api.post(f"{clouds}/terminate").status_code in (400, 409)
    api.make(f"{scene.dig}/terminate")
    wait_for(lambda: scene.status()["deployedStatus"] == "Terminated", 30, "the end of the termination")


def test_two_instantiates_at_once_do_the_work_once(api, daemon, unique, remote):
    import concurrent.futures
    scene = bad_deployment(api, unique, remote, simple_chart("web"))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda _: daemon.client().post(f"{scene.dig}/instantiate").status_code, range(4)))
    assert sorted(codes) == [202, 409, 409, 409]
    scene.wait("Instantiated")
    assert len(scene.remotes["one"].commits()) == 1
