"""What schemathesis is told about this API: which objects there are, and what must never leave this machine.

Loaded by schemathesis itself; run.py says by the environment who calls.
"""

import json
import os
import re
import uuid
from pathlib import Path

import schemathesis

# By the beginning of a path and the name of a parameter: the objects that are there, as run.py made them.
OBJECTS = json.loads(os.environ["KEYWRIGHT_FUZZ_OBJECTS"])
# The caller's own ids: it does not end itself.
OWN = set(json.loads(os.environ["KEYWRIGHT_FUZZ_OWN"]))
# Objects of others: of these nothing may be told or changed.
FOREIGN = set(json.loads(os.environ["KEYWRIGHT_FUZZ_FOREIGN"]))

_turn = 0


def _next(objects):
    """One after the other, so that a run is the same each time."""
    global _turn
    _turn += 1
    return objects[_turn % len(objects)]


def _is_id(value):
    try:
        return str(uuid.UUID(value)) == value
    except (AttributeError, TypeError, ValueError):
        return False


def _known(path, name):
    for prefix, names in OBJECTS:
        if path.startswith(prefix) and name in names:
            return names[name]
    return []


def _tame(value):
    """Whatever a server would connect to is a name that nobody has (RFC 6761 §6.4)."""
    if isinstance(value, dict):
        return {key: _tame(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_tame(inner) for inner in value]
    if isinstance(value, str) and "://" in value:
        return "https://hooks.invalid/"
    if isinstance(value, str) and value in OWN:
        return str(uuid.UUID(int=1))
    return value


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """Ids that could be are such that are; each fifth stays as it is."""
    for name, value in list((case.path_parameters or {}).items()):
        objects = _known(case.operation.path, name)
        if _is_id(value) and objects and (_turn % 5 or value in OWN):
            case.path_parameters[name] = _next(objects)
        elif _is_id(value):
            _next([None])
            if value in OWN:
                case.path_parameters[name] = str(uuid.UUID(int=1))
    if isinstance(case.body, (dict, list)):
        case.body = _tame(case.body)


@schemathesis.check
def nothing_of_others(ctx, response, case):
    """An object of another publisher answers as one that does not exist."""
    named = [value for value in (case.path_parameters or {}).values() if value in FOREIGN]
    if named and response.status_code < 400:
        raise AssertionError(f"an object of another publisher was reached: {response.status_code}")
    # Where the caller itself has asked is told in its events.
    text = re.sub(r'"endpoint":"[^"]*"', "", response.text)
    told = set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", text)) & FOREIGN
    if told - set(named):
        raise AssertionError(f"objects of another publisher were told: {sorted(told)}")


@schemathesis.check
def what_is_refused_is_a_problem(ctx, response, case):
    """Each refusal is a problem document that says the same status; OAuth has a form of its own (RFC 6749 §5.2)."""
    if response.status_code < 400 or response.status_code == 503 and "health" in case.path:
        return
    if case.path.startswith("/oauth2/") and "error" in response.json():
        return
    kind = (response.headers.get("content-type") or [""])[0]
    if kind != "application/problem+json":
        raise AssertionError(f"a refusal as {kind!r}")
    if case.method != "HEAD" and response.json()["status"] != response.status_code:
        raise AssertionError("the status is another in the document")


@schemathesis.check
class CarriedOut:
    """Which operations were carried out at all, for run.py to count."""

    def __init__(self):
        self.seen = set()

    def after_response(self, ctx, response, case):
        if response.status_code < 300:
            self.seen.add(case.operation.label)

    def after_run(self, ctx):
        Path(os.environ["KEYWRIGHT_FUZZ_CARRIED_OUT"]).write_text("".join(f"{label}\n" for label in sorted(self.seen)))
