"""Whatever status or history a test's client reads: nothing is in it that its schema, which is /v2/openapi.json's, does not describe."""
import json
import pathlib
import re

import jsonschema

from openapi import SOURCE, closed

SCHEMAS = SOURCE / "host" / "resources" / "schemas"
OF_A_DEPLOYMENT_OR_CLOUD = re.compile(r"projects/.*/(deployment-intent-groups|logical-clouds)/[^/?]+/(status|history)(\?|$)")
A_WORD = re.compile(r"[A-Z][A-Za-z]{2,30}|deployed|ready|done|failed|lost")      # of an enumeration, perhaps


def load(name):
    return jsonschema.Draft202012Validator(closed(json.loads((SCHEMAS / f"{name}.json").read_text())))


def shape(value):
    """What a schema can tell apart, without names and numbers: two answers of one shape need one look."""
    if isinstance(value, dict):
        return frozenset((key, shape(each)) for key, each in value.items())
    if isinstance(value, list):
        return "[]", frozenset(shape(each) for each in value)
    return value if isinstance(value, str) and A_WORD.fullmatch(value) else type(value).__name__


class Described:
    def __init__(self):
        self.validators = {name: load(name) for name in ("status", "history")}
        self.known = set()

    def check(self, method, path, answer):
        """Fails the test that asked."""
        found = OF_A_DEPLOYMENT_OR_CLOUD.match(path)
        if method != "GET" or found is None or answer.status_code != 200 or "json" not in answer.headers.get("Content-Type", ""):
            return
        document = answer.json()
        form = found.group(2), shape(document)
        if form in self.known:
            return
        faults = sorted(self.validators[found.group(2)].iter_errors(document), key=jsonschema.exceptions.relevance)
        assert not faults, f"{path} is not as described: {faults[-1].json_path}: {faults[-1].message[:300]}"
        self.known.add(form)
