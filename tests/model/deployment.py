"""One deployment of the model: what REST was told of it, and what the clusters therefore owe it."""
import copy
import time

import requests

import charts
from emco import Scene, named, profile

CLUSTERS = ("direct", "proxied")
VERB_S = 30                     # for a verb to be taken, after a crash
CONTEXTS_KEPT = 10              # the server's option "revisions", as it is without being set


class Deployment(Scene):
    """config is what REST was told, planned what the last accepted verb has made of it (None: nothing shall be there), and
    revisions the context and the config that each of this life has, by its number."""

    def __init__(self, api, name, provider):
        super().__init__(api, name)
        self.provider, self.remotes = provider, dict.fromkeys(CLUSTERS)
        self.config, self.planned, self.attempt = {}, None, None
        self.revisions = {}
        self.state, self.last = "Approved", None      # the last action that is known of
        self.is_stopped = False                  # what was not done then is set aside until the next verb
        self.is_settled = True                   # nothing was asked for since everything was seen in place

    def create(self, rng):
        self.cloud().apps({})
        self.deployment({}, approve=False)
        for app in sorted(charts.TEMPLATES):
            self.add(app, [rng.choice(CLUSTERS)])
        self.api.make(f"{self.dig}/approve")
        self.last = self.history()[-1]
        return self

    # What REST is told.

    def add(self, app, clusters):
        self.api.make(f"{self.version}/apps", named(app), charts.archive(app, self.name))
        self.api.make(f"{self.version}/composite-profiles/cp/profiles", named(app, app=app), profile())
        self.api.make(f"{self.dig}/generic-placement-intents/gpi/app-intents", self._intent(app, clusters))
        self.config[app] = {"values": dict(charts.FIRST), "clusters": sorted(clusters)}

    def remove(self, app):
        for waiting, on in [(one, other) for one in self.config for other in self.config[one].get("waits", ())]:
            if app in (waiting, on):
                self.wait_no_more(waiting, on)
        for path in (f"{self.dig}/generic-placement-intents/gpi/app-intents", f"{self.version}/composite-profiles/cp/profiles",
                     f"{self.version}/apps"):
            answer = self.api.delete(f"{path}/{app}")
            assert answer.status_code == 204, f"DELETE {path}/{app}: {answer.status_code} {answer.text}"
        del self.config[app]

    def change(self, app, **values):
        kept = self.config[app]["values"]
        kept.update(values)
        self.profile(app, profile("".join(f"{name}: {value}\n" for name, value in kept.items())))

    def place(self, app, clusters):
        answer = self.api.put(f"{self.dig}/generic-placement-intents/gpi/app-intents/{app}", self._intent(app, clusters))
        assert answer.status_code in (200, 201), f"{answer.status_code} {answer.text}"
        self.config[app]["clusters"] = sorted(clusters)

    def is_waiting(self, app, on):
        return on in self.config[app].get("waits", ())

    def wait(self, app, on, seconds):
        self.api.make(f"{self.version}/apps/{app}/dependency", named(on, app=on, opStatus="Deployed", wait=seconds))
        self.config[app].setdefault("waits", set()).add(on)

    def wait_no_more(self, app, on):
        answer = self.api.delete(f"{self.version}/apps/{app}/dependency/{on}")
        assert answer.status_code == 204, f"DELETE of what {app} waits for: {answer.status_code} {answer.text}"
        self.config[app]["waits"].remove(on)

    def _intent(self, app, clusters):
        return named(app, app=app, intent=self.by_name(*sorted(clusters)))

    # Verbs.

    def verbs(self, edition):
        if self.state != "Instantiated":
            return ("instantiate",)
        return ("update", "terminate") if edition < 2 else ("update", "rollback", "terminate")

    def some_revision(self, rng):
        """One whose context is among the last different ones: older ones may be gone."""
        contexts = dict.fromkeys(context for context, _ in reversed(self.revisions.values()))
        kept = list(contexts)[:CONTEXTS_KEPT]
        return rng.choice([revision for revision, (context, _) in self.revisions.items() if context in kept])

    def stop(self):
        """True: it was stopped; False: there was nothing to stop."""
        answer = self.api.post(f"{self.dig}/stop")
        if answer.status_code == 409:
            return False
        assert answer.status_code == 202, f"stop of {self.name}: {answer.status_code} {answer.text}"
        self.is_stopped, self.is_settled = True, False
        self.last = self.history()[-1]
        return True

    def begin(self, verb, revision=None):
        """Remember what the verb would mean."""
        self.attempt = (verb, copy.deepcopy(self.config if revision is None else self.revisions[revision][1]))
        self.is_settled = False

    def took(self):
        verb, planned = self.attempt
        self.is_stopped = False
        self.planned = None if verb == "terminate" else planned
        self.state = "Terminated" if verb == "terminate" else "Instantiated"
        self.last = self.history()[-1]
        if verb in ("instantiate", "terminate"):
            self.revisions = {}
        if verb != "terminate":
            self.revisions[self.last["revision"]] = (self.last["instance"], planned)

    def post(self, verb, revision):
        return self.api.post(f"{self.dig}/{verb}", *([] if revision is None else [{"spec": {"revision": revision}}]))

    def run(self, verb, revision=None):
        """A verb is taken; after a crash perhaps not at once, while the operation that died is cleared away."""
        self.begin(verb, revision)
        end = time.monotonic() + VERB_S
        while True:
            answer = self.post(verb, revision)
            if answer.status_code == 202:
                break
            assert answer.status_code in (409, 503) and time.monotonic() < end, \
                f"{verb} of {self.name}: {answer.status_code} {answer.text}"
            time.sleep(0.05)
        self.took()

    def shoot(self, verb, revision=None):
        """A verb while something is about to die: the status code, or None.  resolve() tells what came of it."""
        self.begin(verb, revision)
        try:
            return self.post(verb, revision).status_code
        except requests.RequestException:
            return None

    def resolve(self, code):
        """An answer of 202 is a promise; without one, it was carried out wholly or not at all."""
        actions = self.history()                 # of a long life the first, and the last 1,000
        newer = actions[actions.index(self.last) + 1:]
        assert len(newer) <= 1, f"{self.name} has done more than it was asked: {newer}"
        assert newer or code != 202, f"{self.attempt[0]} of {self.name} was answered 202 and is lost"
        if newer:
            self.took()

    def history(self):
        """What was decided: an update closes the action before it, too."""
        return [action for action in self.status()["states"]["actions"] if action["state"] != "Updated"]

    # What is owed.

    def done_status(self):
        return {"Approved": None}.get(self.state, self.state)

    def owes(self, context):
        """{cluster: {(kind, namespace, name): (label, facts)}}"""
        owed = {cluster: {} for cluster in CLUSTERS}
        for app, made in (self.planned or {}).items():
            for cluster in made["clusters"]:
                for key, facts in charts.brings(app, self.name, made["values"]).items():
                    owed[cluster][key] = (f"{context}-{app}", facts)
        return owed
