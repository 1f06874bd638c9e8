"""kill -9 of the daemon and of PostgreSQL at random moments of work on a real API server: nothing is lost, doubled or left behind.

EMCO_KILLS says how often, "50+10" for fifty of the daemon and ten of PostgreSQL; EMCO_KILLS_SEED repeats a run.
"""
import os
import pathlib
import random
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kube"))

from conftest import Daemon, wait_for  # noqa: E402
from emco import Attempt, KubeScene, chart, profile  # noqa: E402
from kube import KubeCluster  # noqa: E402

KILLS = os.environ.get("EMCO_KILLS", "50+10")
SEED = int(os.environ.get("EMCO_KILLS_SEED") or random.SystemRandom().randrange(1 << 32))
DEPLOYMENTS, AT_ONCE, SETTLE_EVERY = 4, 2, 5
LATEST_S = 1.5                       # after the calls went out
KINDS = ("v1/ConfigMap", "v1/Service", "apps/v1/Deployment")
LABEL = "emco/deployment-id"

TEMPLATES = {
    "maps.yaml": """{{- range $i := until 6 }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: %(name)s-{{ $i }}}
data: {text: {{ $.Values.text | default "none" }}}
{{- end }}
""",
    "service.yaml": """apiVersion: v1
kind: Service
metadata: {name: %(name)s}
spec: {selector: {app: %(name)s}, ports: [{port: 80}]}
""",
    "web.yaml": """apiVersion: apps/v1
kind: Deployment
metadata: {name: %(name)s}
spec:
  replicas: 0
  selector: {matchLabels: {app: %(name)s}}
  template:
    metadata: {labels: {app: %(name)s}}
    spec: {containers: [{name: main, image: "nginx:1.27"}]}
""",
}
CONTROLLERS = {
    "rsync": 'plugin = "rsync";\noptions = { retry_min_ms = 100; retry_max_ms = 500; };\n',
    "nearest": 'plugin = "placement-nearest";\nname = "nearest";\n',
}


@pytest.fixture(scope="module")
def kube():
    with KubeCluster(f"emcod-kills-{os.getpid()}") as cluster:
        yield cluster


class Life:
    """A deployment, and what is known of it: the last state and text that were committed."""

    def __init__(self, api, name, kubeconfig):
        self.scene = KubeScene(api, name).onboard({"one": kubeconfig})
        self.scene.cloud().apps({"web": chart("web", {path: text % {"name": name} for path, text in TEMPLATES.items()})})
        self.scene.deployment({"web": self.scene.by_name("one")})
        self.name, self.state, self.text = name, "Created", None
        self.actions = len(self._actions())

    def _actions(self):
        return self.scene.status()["states"]["actions"]

    def begin(self, rng, text):
        """Ask for something that its state allows."""
        self.verb = rng.choice(["update", "terminate"]) if self.state == "Instantiated" else "instantiate"
        if self.verb != "terminate":
            self.scene.profile("web", profile(f"text: {text}\n"))
        self.wanted = (None if self.verb == "terminate" else text, "Terminated" if self.verb == "terminate" else "Instantiated")
        self.attempt = Attempt(self.scene.api, f"{self.scene.dig}/{self.verb}")

    def learn(self):
        """What became of it: an operation that was answered is there, one that was not is there as a whole or not at all."""
        self.attempt.join(90)
        assert not self.attempt.is_alive(), f"{self.verb} of {self.name} is not answered"
        code, now = self.attempt.code, self._actions()
        assert code in (None, 202, 409, 503, 504), f"{self.verb} of {self.name}: {code}"
        if code == 202:
            assert len(now) > self.actions, f"{self.verb} of {self.name} was answered 202 and is lost"
        if len(now) > self.actions:
            self.text, self.state = self.wanted
        assert code != 409 or len(now) == self.actions, f"{self.verb} of {self.name} was refused and done"
        self.actions = len(now)
        return code

    def settle(self):
        if self.state != "Created":
            self.scene.wait(self.state, 90)

    def objects(self):
        if self.state != "Instantiated":
            return {}
        there = {("v1/ConfigMap", f"{self.name}-{i}"): self.text for i in range(6)}
        return {**there, ("v1/Service", self.name): None, ("apps/v1/Deployment", self.name): None}


def on_cluster(kube):
    """{(kind, name): text} of everything that a deployment has made."""
    return {(kind, item["metadata"]["name"]): item.get("data", {}).get("text")
            for kind in KINDS for item in kube.list(kind, None, LABEL)}


def expect_whole(daemon, kube, lives):
    """On the cluster is what the deployments want, and the store knows why."""
    for life in lives:
        life.settle()
    wanted = {key: text for life in lives for key, text in life.objects().items()}
    assert on_cluster(kube) == wanted
    known = {f"{context}-{app}" for context, app in daemon.sql("SELECT status_context, app FROM unit WHERE applied IS NOT NULL")}
    labels = {item["metadata"]["labels"][LABEL] for kind in KINDS for item in kube.list(kind, None, LABEL)}
    assert labels <= known, f"no unit knows of {labels - known}"
    assert daemon.sql("SELECT count(*) FROM app_context c LEFT JOIN action a ON a.instance = c.id"
                      " WHERE a.instance IS NULL")[0][0] == 0, "a context without its owner's action"
    assert daemon.sql("SELECT r.path FROM (SELECT DISTINCT ON (owner) owner, instance FROM action ORDER BY owner, seq DESC) a"
                      " JOIN resource r ON r.id = a.owner AND r.type = 'deploymentIntentGroup'"
                      " JOIN app_context_cluster p ON p.context = a.instance LEFT JOIN unit u ON u.owner = a.owner"
                      " AND u.app = p.app AND u.cluster = p.cluster WHERE u.id IS NULL") == [], "a context without its units"


def kill(victim, daemon, postgres):
    if victim == "emcod":
        daemon.kill()
        daemon.start()
        return
    postgres.kill()
    postgres.start()
    wait_for(daemon.is_ready, 60, "readiness after the database came back")


def repeat(life, verb):
    """Until it is accepted: an operation that was killed is taken over and not stuck."""
    def accepted():
        answer = life.scene.api.post(f"{life.scene.dig}/{verb}")
        assert answer.status_code in (202, 409, 503), answer.text
        return answer.status_code == 202
    wait_for(accepted, 30, f"acceptance of {verb} of {life.name}")


def test_kills_at_random_moments_lose_nothing_and_leave_nothing(tmp_path, durable_postgres, helm, kube, unique):
    print(f"EMCO_KILLS={KILLS} EMCO_KILLS_SEED={SEED}")
    rng = random.Random(SEED)
    emcod, postgres = map(int, KILLS.split("+"))
    victims = ["emcod"] * emcod + ["postgres"] * postgres
    rng.shuffle(victims)
    daemon = Daemon(tmp_path / "emcod", durable_postgres, helm, controllers=CONTROLLERS).start()
    codes = {}
    try:
        kubeconfig = pathlib.Path(kube.user("emcod")).read_bytes()
        lives = [Life(daemon.client(), f"{unique}{i}", kubeconfig) for i in range(DEPLOYMENTS)]
        for turn, victim in enumerate(victims):
            chosen = rng.sample(lives, AT_ONCE)
            for life in chosen:
                life.begin(rng, f"t{turn}")
            time.sleep(rng.uniform(0, LATEST_S))         # the moment of death, not a wait for anything
            kill(victim, daemon, durable_postgres)
            for life in chosen:
                code = life.learn()
                codes[code] = codes.get(code, 0) + 1
            if turn % SETTLE_EVERY == SETTLE_EVERY - 1:
                expect_whole(daemon, kube, lives)
        expect_whole(daemon, kube, lives)
        print("answers:", codes)
        for life in lives:
            if life.state == "Instantiated":
                repeat(life, "terminate")
                life.state, life.text = "Terminated", None
        expect_whole(daemon, kube, lives)
        assert on_cluster(kube) == {}
        assert daemon.stop() == 0, daemon.tail(60)
        log = daemon.log.read_text(errors="replace")
        assert "AddressSanitizer" not in log and "runtime error" not in log
    finally:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait(10)
