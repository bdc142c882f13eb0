"""What schemathesis does here beyond its configuration, schemathesis.toml."""

import itertools
import re
from urllib.parse import parse_qs, urlsplit

import requests
import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

FAILURES = {"positive_data_acceptance": RejectedPositiveData, "negative_data_rejection": AcceptedNegativeData}


class Entry:
    """An entry of checks.Excused. It excuses what has all the properties that it names."""

    def __init__(self, check, rare=False, **properties):
        self.failure = FAILURES[check]
        self.properties = properties
        self.used = rare

    def matches(self, failure, part):
        return type(failure) is self.failure and all(re.fullmatch(p, part[name]) for name, p in self.properties.items())


excused = []


@schemathesis.check
class Excused:
    """Fails a run in which an entry excused nothing: it is out of date."""

    def __init__(self, entries):
        excused[:] = [Entry(**entry) for entry in entries]

    def after_run(self, ctx):
        unused = [entry.properties for entry in excused if not entry.used]
        assert not unused, f"entries of checks.Excused excused nothing: {unused}"


def given(case, name):
    """What a request gives as a field or parameter."""
    return case.body.get(name) if isinstance(case.body, dict) else (case.query or {}).get(name)


def kind(value):
    """The kind of what a request gives."""
    if isinstance(value, str) and value != value.strip():
        return "padded"
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else "other"


def faults(case, response):
    """The faults in a 400, also in those of a list."""
    if response.status_code != 400:
        return []
    return [part for name, fault in response.json().items() for part in within(fault, given(case, name))]


def within(fault, value):
    if isinstance(fault, str):
        return [{"fault": fault, "given": kind(value)}]
    places = fault.items() if isinstance(fault, dict) else enumerate(fault)
    return [part for at, inner in places for part in within(inner, value if isinstance(inner, str) else element(value, at))]


def element(value, at):
    """A field of an object, or an element of a list."""
    if isinstance(value, dict):
        return value.get(at)
    return value[int(at)] if isinstance(value, list) and int(at) < len(value) else None


def mutations(case, url):
    """The parts of a request that break the document on purpose. A parameter without a value, such as [], is not sent,
    and breaks nothing."""
    data = case.meta.phase.data
    names = [m.path[0] if m.path else m.parameter for m in data.mutations] or [data.parameter]
    unsent = (case.query or {}).keys() - parse_qs(urlsplit(url).query, keep_blank_values=True).keys()
    return [{"parameter": str(name), "given": kind(given(case, name))} for name in names if name not in unsent]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if isinstance(failure, RejectedPositiveData):
        parts = faults(case, response)
    elif isinstance(failure, AcceptedNegativeData):
        parts = mutations(case, response.request.url)
        if not parts:
            return False
    else:
        return True
    by = [next((entry for entry in excused if entry.matches(failure, part)), None) for part in parts]
    if not by or None in by:
        return True
    for entry in by:
        entry.used = True
    return False


@schemathesis.check
class Reached:
    """Fails a run that was shallower than it looks: no request succeeded with an operation."""

    def __init__(self):
        self.tested, self.reached, self.linked = set(), set(), set()

    def after_response(self, ctx, response, case):
        self.tested.add(case.operation.label)
        if case.meta is None or response.status_code >= 300:
            return
        self.reached.add(case.operation.label)
        if case.operation.path == "/api/me/" and case.method == "GET":
            answer = response.json()
            own.update((answer["user"]["id"], answer["key"]["id"]))
        if response.status_code in (200, 201) and case.operation.path == "/api/secrets/" and case.method in ("GET", "POST"):
            answer = response.json()
            secrets.update((secret["id"], secret["is_default"]) for secret in answer.get("results", [answer]))
        if case.meta.phase.name == "stateful":
            self.linked.add(case.operation.label)

    def after_run(self, ctx):
        unreached = self.tested - self.reached
        assert not unreached, f"no request succeeded: {sorted(unreached)}"
        # No link leads to events of an object: they outlive it, and the check use_after_free would take that for a fault.
        # None leads to what was deleted, nor to one version.
        unlinked = {operation for operation in self.tested if "{" in operation and not operation.endswith(("/events/", "/restore/", "/{version}/"))} - self.linked
        assert not unlinked, f"no request succeeded in a stateful test: {sorted(unlinked)}"


@schemathesis.check
def no_outage_or_firewall(ctx, response, case):
    # These are documented, but only a deployment has firewalls, slow functions and outages.
    assert response.status_code not in (403, 500, 503, 504), f"unexpected status: {response.status_code}"


numbers = itertools.count(1)
secrets = {}  # whether each is the default one, by id
own = set()  # the ids of the users and keys that attack


def prepare(case, number):
    """Makes what an operation needs, and leads the request there."""
    path, given = case.operation.path, case.path_parameters

    def call(method, path, body=None):
        answer = requests.request(method, case.operation.base_url + path, json=body, headers={"Authorization": case.headers["Authorization"]}, timeout=20)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def secret(name):
        return call("POST", "/api/secrets/", {"name": f"{name}{number}"})["id"]

    if path == "/api/secrets/compare/":
        case.query = {"a": secret("a"), "b": secret("b")}
    elif path == "/api/secrets/{secret_id}/restore/":
        given["secret_id"] = secret("p")
        call("DELETE", f"/api/secrets/{given['secret_id']}/")
    elif path.endswith(("/items/{item_id}/restore/", "/{version}/")):
        given["secret_id"] = secret("p")
        items = f"/api/secrets/{given['secret_id']}/items/"
        given["item_id"] = call("POST", items, {"key": "KEY", "value": "a"})["id"]
        if path.endswith("/restore/"):
            call("DELETE", f"{items}{given['item_id']}/")
        else:
            call("PATCH", f"{items}{given['item_id']}/", {"value": "b"})
            given["version"] = 1


@schemathesis.hook
def before_call(context, case, kwargs):
    # Stateful tests repeat their first steps. If a name were then taken, they would end early, without a failure.
    # Other tests create with names that they saw in answers. Half of those names are new ones.
    # A run that narrows, limits or revokes its own key would end as a run of 401s and 403s.
    for name in ("user_id", "key_id"):
        if case.method in ("PATCH", "DELETE") and (case.path_parameters or {}).get(name) in own:
            case.path_parameters[name] = "01936e1b-0000-7000-8000-0000000000ff"
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    number, is_stateful = next(numbers), case.meta.phase.name == "stateful"
    # No request finds by chance what was deleted, an old version or two secrets. One of ten finds new ones.
    if number % 10 == 0 or is_stateful:
        prepare(case, number)
    # A tag is never that of an object, and an idempotency key that returns stands for one request.
    if number % 2 or is_stateful:
        headers = case.headers or {}
        headers.pop("If-Match", None)
        if "Idempotency-Key" in headers:
            headers["Idempotency-Key"] = f"key {number}"
    if not isinstance(case.body, dict):
        return
    # A stateful test that begins with an item would end in a secret that does not exist. The default one always does.
    if is_stateful and case.operation.label.endswith("/items/") and case.path_parameters["secret_id"] not in secrets:
        case.path_parameters["secret_id"] = next(id for id, is_default in secrets.items() if is_default)
    if is_stateful or case.meta.phase.name == "fuzzing" and case.method == "POST" and number % 2:
        case.body = {**case.body, **{name: f"n{number}" for name in ("name", "key") if name in case.body}}
