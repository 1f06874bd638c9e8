"""Several processes on one database: they share the work, take over from the dead at once, and nobody writes who has lost it."""
import contextlib
import os
import pathlib
import signal
import sys
import threading
import time

import pytest
import requests

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kube"))

from conftest import Daemon, wait_for  # noqa: E402
from emco import KubeScene, Remote, chart, profile  # noqa: E402
from kube import KubeCluster  # noqa: E402
from proxy import Proxy  # noqa: E402

TAKEN_OVER_S = 5
LEASE_MS = 6000

# One worker that stays with its pass, so that whoever does other work again has ended the pass of before.
CONTROLLERS = {
    "rsync": 'plugin = "rsync";\noptions = { workers = 1; patience_ms = 60000; retry_min_ms = 100; retry_max_ms = 1000; %s };\n',
    "nearest": 'plugin = "placement-nearest";\nname = "nearest";\n',
}
LONG_LEASE = "lease_ms = 60000"
SHORT_LEASE = f"lease_ms = {LEASE_MS}; remote_timeout_ms = {LEASE_MS // 2}"

# Who took which unit, and when, by the clock of the database.
JOURNAL = """
CREATE TABLE IF NOT EXISTS journal (unit bigint, owner bigint, cluster text, host bigint, at timestamptz DEFAULT clock_timestamp());
CREATE OR REPLACE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO journal (unit, owner, cluster, host) VALUES (NEW.id, NEW.owner, NEW.cluster, NEW.lease_host); RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER note_claim AFTER UPDATE ON unit FOR EACH ROW
  WHEN (NEW.lease IS NOT NULL AND NEW.lease IS DISTINCT FROM OLD.lease) EXECUTE FUNCTION note_claim();
"""


@pytest.fixture(scope="module")
def kube():
    with KubeCluster(f"emcod-hosts-{os.getpid()}") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def kubeconfig(kube):
    return pathlib.Path(kube.user("emcod")).read_bytes()


class Hosts:
    """Processes on one database; each knows the id under which it holds its leases."""

    def __init__(self, folder, postgres, helm, options):
        self.folder, self.postgres, self.helm = folder, postgres, helm
        self.controllers = dict(CONTROLLERS, rsync=CONTROLLERS["rsync"] % options)
        self.all = []
        self.proxies = []

    def _living(self):
        rows = self.all[0].sql("SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid = 1 AND granted"
                               " AND mode = 'ExclusiveLock' AND database = (SELECT oid FROM pg_database"
                               " WHERE datname = current_database())") if self.all else []
        return {row[0] for row in rows}

    def add(self, proxy=None):
        before = self._living()
        shared = {"database": self.all[0].database} if self.all else {}
        made = Daemon(self.folder / f"host{len(self.all)}", self.postgres, self.helm, controllers=self.controllers, **shared)
        if self.all:
            made.options["seal_key_file"] = str(self.all[0].key)
        if proxy is not None:
            made.options["database"] = proxy.dsn(made.options["database"])
        self.all.append(made)
        made.start()
        made.host = (self._living() - before).pop()
        if len(self.all) == 1:
            self.postgres.sql(JOURNAL, made.database)
        return made

    def proxy(self):
        path = dict(p.split("=") for p in self.postgres.dsn.split())
        self.proxies.append(Proxy(f"{path['host']}/.s.PGSQL.{path['port']}"))
        return self.proxies[-1]

    def of(self, host):
        return next(one for one in self.all if one.host == host)

    def others(self, host):
        return [one for one in self.all if one is not host and one.process.poll() is None]

    @contextlib.contextmanager
    def only(self, host):
        """While the others stand still, everything is done by one."""
        stopped = self.others(host)
        for one in stopped:
            one.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for one in stopped:
                one.process.send_signal(signal.SIGCONT)

    def now(self):
        return self.all[0].sql("SELECT clock_timestamp()")[0][0]

    def holder(self, where="true"):
        """The process that has a lease on a unit, or None."""
        rows = self.all[0].sql(f"SELECT lease_host FROM unit WHERE lease IS NOT NULL AND {where}")
        return self.of(rows[0][0]) if rows else None

    def close(self):
        for one in self.all:
            if one.process is not None and one.process.poll() is None:
                one.process.send_signal(signal.SIGCONT)
                one.process.kill()
                one.process.wait(10)
        for proxy in self.proxies:
            proxy.close()


@pytest.fixture
def make_hosts(tmp_path, postgres, helm):
    made = []

    def make(count, options=LONG_LEASE):
        made.append(Hosts(tmp_path, postgres, helm, options))
        for _ in range(count):
            made[-1].add()
        return made[-1]
    yield make
    for hosts in made:
        hosts.close()


def maps(name, count):
    """A chart of config maps whose text comes from the profile."""
    return chart("web", {"maps.yaml": """{{- range $i := until %d }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: %s-{{ $i }}}
data: {text: {{ $.Values.text | default "one" }}}
{{- end }}
""" % (count, name)})


def kube_scene(host, name, kubeconfig, content):
    scene = KubeScene(host.client(), name).onboard({"kube": kubeconfig})
    scene.cloud().apps({"web": content})
    return scene.deployment({"web": scene.by_name("kube")})


def seen_by(scene, host):
    """The same deployment, by way of another process."""
    other = KubeScene(host.client(), scene.name)
    other.remotes = scene.remotes
    return other


def on_cluster(kube, name):
    """{object: (resourceVersion, text)} of a deployment."""
    return {o["metadata"]["name"]: (o["metadata"]["resourceVersion"], o["data"]["text"])
            for o in kube.list("v1/ConfigMap", "default") if o["metadata"]["name"].startswith(name + "-")}


def texts(kube, name):
    return sorted(set(text for _, text in on_cluster(kube, name).values()))


def takeover(hosts, unit_of, since, victim):
    """Seconds from `since` until another process claimed what the victim held."""
    rows = wait_for(lambda: hosts.all[0].sql(f"SELECT extract(epoch FROM min(at) - '{since}'::timestamptz)::float8 FROM journal"
                                             f" WHERE host <> {victim.host} AND at > '{since}' AND {unit_of} HAVING count(*) > 0"),
                    30, "a claim by another process")
    return rows[0][0]


def test_processes_share_the_work_and_see_what_the_others_do(make_hosts, kube, kubeconfig, tmp_path, unique):
    hosts = make_hosts(3)
    remote = Remote.create(tmp_path / "edge.git")
    scenes, shares = [], {}
    while len(shares) < 3 and len(scenes) < 36:                # on a busy machine one may wake too late for all of a wave
        wave = range(len(scenes), len(scenes) + 9)
        for i in wave:
            name = f"{unique}{i}"
            scene = KubeScene(hosts.all[i % 3].client(), name).onboard({"kube": kubeconfig}).git_cluster("git", remote, ["edge"])
            scene.cloud().apps({"web": maps(name, 5)})
            scenes.append(scene.deployment({"web": scene.by_label("edge")}))
        for i in wave:
            scenes[i].instantiate(wait=False)
        for i in wave:                                         # seen by another one than it was asked of
            seen_by(scenes[i], hosts.all[(i + 1) % 3]).wait("Instantiated", 120)
            assert len(on_cluster(kube, scenes[i].name)) == 5
            assert len(remote.objects(f"{scenes[i].provider}+git")) == 5
        shares = dict(hosts.all[0].sql("SELECT host, count(*) FROM journal GROUP BY host"))
    print("units claimed by each:", [shares.get(one.host, 0) for one in hosts.all])
    assert set(shares) == {one.host for one in hosts.all}, f"one of the three did nothing: {shares}"
    assert hosts.all[0].sql("SELECT count(*) FROM journal")[0][0] == 2 * len(scenes), "each unit is claimed once"

    first = scenes[0]
    first.profile("web", profile("text: two\n"))
    assert hosts.all[2].client().post(f"{first.dig}/update").status_code == 202
    assert seen_by(first, hosts.all[1]).status()["states"]["actions"][-1]["state"] == "Instantiated"
    seen_by(first, hosts.all[1]).wait("Instantiated")
    wait_for(lambda: texts(kube, first.name) == ["two"], 30, "the update")

    codes = []
    second = scenes[1]
    asked = [threading.Thread(target=lambda one=one: codes.append(one.client().post(f"{second.dig}/terminate").status_code))
             for one in hosts.all]
    for thread in asked:
        thread.start()
    for thread in asked:
        thread.join(60)
    assert sorted(codes)[0] == 202 and set(codes[1:]) <= {202, 409}, codes
    for i, scene in enumerate(scenes):
        if scene is not second:
            assert hosts.all[i % 3].client().post(f"{scene.dig}/terminate").status_code == 202
    for i, scene in enumerate(scenes):
        seen_by(scene, hosts.all[(i + 2) % 3]).wait("Terminated", 60)
        assert on_cluster(kube, scene.name) == {}
    assert remote.files() == {}
    for one in hosts.all:
        assert one.stop() == 0, one.tail(40)


def begin(hosts, scene, kube, least=20):
    """Instantiate, and the process that works on it, when some of the objects are there."""
    scene.instantiate(wait=False)
    wait_for(lambda: len(on_cluster(kube, scene.name)) >= least, 60, "the first objects")
    return hosts.holder()


def test_the_units_of_a_killed_process_are_taken_over(make_hosts, kube, kubeconfig, unique):
    hosts = make_hosts(2)
    scene = kube_scene(hosts.all[0], unique, kubeconfig, maps(unique, 200))
    victim = begin(hosts, scene, kube)
    assert victim is not None, "the work was over before anybody could be killed"
    since = hosts.now()
    victim.kill()
    assert len(on_cluster(kube, unique)) < 200, "killed in the middle"
    took_s = takeover(hosts, "true", since, victim)
    print(f"units taken over {took_s:.2f} s after the kill")
    assert took_s <= TAKEN_OVER_S
    seen_by(scene, hosts.others(victim)[0]).wait("Instantiated", 60)
    assert len(on_cluster(kube, unique)) == 200
    scene = seen_by(scene, hosts.others(victim)[0])
    scene.api.make(f"{scene.dig}/terminate")
    scene.wait("Terminated", 60)
    assert on_cluster(kube, unique) == {}


WEB = """apiVersion: apps/v1
kind: Deployment
metadata: {name: %(name)s}
spec:
  replicas: 1
  selector: {matchLabels: {app: %(name)s}}
  template:
    metadata: {labels: {app: %(name)s}}
    spec: {containers: [{name: main, image: "nginx:1.27"}]}
"""


def test_the_sight_of_a_killed_process_is_taken_over(make_hosts, kube, kubeconfig, unique):
    hosts = make_hosts(2)
    scene = kube_scene(hosts.all[0], unique, kubeconfig, chart("web", {"web.yaml": WEB % {"name": unique}}))
    scene.instantiate()
    wait_for(lambda: scene.status("status=ready")["readyStatus"] == "NotReady" and
             scene.status("status=ready")["apps"][0]["clusters"][0].get("observedAt"), 30, "the sight of the cluster")
    watching = hosts.all[0].sql(f"SELECT host FROM cluster_watch WHERE cluster = '{scene.provider}+kube'")[0][0]
    victim = hosts.of(watching)
    scene = seen_by(scene, hosts.others(victim)[0])
    victim.kill()
    begun = time.monotonic()
    kube.make_node("node-" + unique)
    kube.make_pods_ready("default", f"app={unique}", count=1)
    wait_for(lambda: scene.status("status=ready")["readyStatus"] == "Ready", 30, "what has changed since")
    took_s = time.monotonic() - begun
    print(f"a change after the kill is seen {took_s:.2f} s after it")
    assert took_s <= TAKEN_OVER_S
    scene.api.make(f"{scene.dig}/terminate")
    scene.wait("Terminated")


def prove_awake(hosts, victim, kubeconfig, name):
    """The victim's one worker does other work: what it was in the middle of is over."""
    with hosts.only(victim):
        wait_for(victim.is_ready, 30, "the readiness of the process that stood still")
        other = kube_scene(victim, name, kubeconfig, maps(name, 1))
        other.instantiate()
        other.api.make(f"{other.dig}/terminate")
        other.wait("Terminated")


def test_who_stood_still_past_its_lease_changes_nothing_on_a_cluster(make_hosts, kube, kubeconfig, unique):
    hosts = make_hosts(2, SHORT_LEASE)
    scene = kube_scene(hosts.all[0], unique, kubeconfig, maps(unique, 200))
    victim = begin(hosts, scene, kube)
    assert victim is not None, "the work was over before anybody could be stopped"
    victim.process.send_signal(signal.SIGSTOP)
    assert len(on_cluster(kube, unique)) < 200, "stopped in the middle"
    other = seen_by(scene, hosts.others(victim)[0])
    other.profile("web", profile("text: two\n"))
    other.api.make(f"{other.dig}/update")
    other.wait("Instantiated", 90)
    before = on_cluster(kube, unique)
    assert len(before) == 200 and texts(kube, unique) == ["two"]
    victim.process.send_signal(signal.SIGCONT)
    prove_awake(hosts, victim, kubeconfig, unique + "x")
    # A new session of the watch has what it is unsure of applied again, which takes a moment and changes nothing.
    seen_by(scene, victim).wait("Instantiated")
    after = on_cluster(kube, unique)
    changed = {name: (before[name], after.get(name)) for name in before if after.get(name) != before[name]}
    assert changed == {}, f"{len(changed)} objects were written by who had lost the lease: {dict(list(changed.items())[:3])}"
    other.api.make(f"{other.dig}/terminate")
    other.wait("Terminated", 60)
    assert on_cluster(kube, unique) == {}


def loose_objects(remote):
    return sum(len(files) for folder, _, files in os.walk(remote.path / "objects") if len(pathlib.Path(folder).name) == 2)


def test_who_stood_still_past_its_lease_changes_nothing_in_git(make_hosts, kubeconfig, tmp_path, unique):
    """The other goes back to what is there, which needs no commit: nothing in Git tells the one who stood still."""
    hosts = make_hosts(2, SHORT_LEASE)
    remote = Remote.create(tmp_path / "edge.git")
    scene = KubeScene(hosts.all[0].client(), unique)
    scene.clusters({"git": remote}).cloud().apps({"web": maps(unique, 800)})
    scene.deployment({"web": scene.by_name("git")})
    scene.instantiate(wait=False)
    scene.wait("Instantiated", 90)
    head, there = remote.head(), loose_objects(remote)
    scene.profile("web", profile("text: two\n"))
    scene.api.make(f"{scene.dig}/update")
    wait_for(lambda: loose_objects(remote) > there + 20, 60, "the first objects of the new tree")
    victim = hosts.holder()
    assert victim is not None, "the work was over before anybody could be stopped"
    victim.process.send_signal(signal.SIGSTOP)
    assert remote.head() == head, "stopped before the commit"
    other = seen_by(scene, hosts.others(victim)[0])
    other.profile("web", profile())
    other.api.make(f"{other.dig}/update")
    other.wait("Instantiated", 90)
    head = remote.head()             # that of before, unless the lease ended before the other was asked to go back
    victim.process.send_signal(signal.SIGCONT)
    prove_awake(hosts, victim, kubeconfig, unique + "x")
    assert remote.head() == head, "a commit of who had lost the lease"
    other.api.make(f"{other.dig}/terminate")
    other.wait("Terminated", 60)
    assert remote.files() == {}


def count_at_rest(kube, name):
    """How many objects there are once none has come for a while."""
    seen = []

    def rests():
        seen.append((time.monotonic(), len(on_cluster(kube, name))))
        return any(seen[-1][0] - at > 1.5 and count == seen[-1][1] for at, count in seen)
    wait_for(rests, 60, "the end of the work")
    return seen[-1][1]


def test_who_loses_its_database_loses_its_work_and_no_more(make_hosts, kube, kubeconfig, unique):
    hosts = make_hosts(1)
    proxy = hosts.proxy()
    victim, other = hosts.add(proxy), hosts.all[0]
    scene = kube_scene(victim, unique, kubeconfig, maps(unique, 400))
    with hosts.only(victim):
        assert begin(hosts, scene, kube) is victim, "the work was over before the database could be lost"
        proxy.cut()
        wait_for(lambda: "store.liveness_lost" in victim.log.read_text(), 10, "the loss of the lock")
        assert count_at_rest(kube, unique) < 400, "it works on without the right to"
        since = hosts.now()
    took_s = takeover(hosts, "true", since, victim)
    print(f"units taken over {took_s:.2f} s after the other one runs again")
    assert took_s <= TAKEN_OVER_S
    scene = seen_by(scene, other)
    scene.profile("web", profile("text: two\n"))
    scene.api.make(f"{scene.dig}/update")
    scene.wait("Instantiated", 90)
    before = on_cluster(kube, unique)
    assert len(before) == 400 and texts(kube, unique) == ["two"]
    assert requests.get(victim.url + "/readyz", timeout=10).status_code == 503
    assert victim.client().get("projects").status_code == 503
    proxy.mend()
    wait_for(victim.is_ready, 30, "readiness after the database came back")
    prove_awake(hosts, victim, kubeconfig, unique + "x")
    assert on_cluster(kube, unique) == before, "who had lost the database has written since"
    assert seen_by(scene, victim).status()["deployedStatus"] == "Instantiated"
    scene.api.make(f"{scene.dig}/terminate")
    scene.wait("Terminated", 60)
    for one in hosts.all:
        assert one.stop() == 0, one.tail(40)
