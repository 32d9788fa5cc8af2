"""The keys of the installation: what is derived, what is accepted, what is shown, and when one is replaced."""

import base64

import msgspec
import pytest

from builders import DEFAULTS, catalog, model, runtime
from modelyard_operator.api import upstream
from modelyard_operator.api.upstream import OVERLAP_SECONDS, MasterKey, Ring
from modelyard_operator.render.pod import pod_template
from modelyard_operator.render.upstream_key import upstream_secret
from modelyard_operator.revision import Defaults, Resolved, resolve

A, B = upstream.encoded(b"a" * 32), upstream.encoded(b"b" * 32)
DAY = 86400.0
NOW = 1_000_000.0


def test_each_namespace_has_a_key_of_its_own() -> None:
    ring = upstream.first(A, NOW)
    assert ring.accepted("team-a") == [ring.shown("team-a", NOW)] != ring.accepted("team-b")
    # HMAC-SHA256 by OpenSSL of the same words, so that another version derives the same.
    assert ring.accepted("team-a") == ["IJaopGVfQssuA0bncST1bVkYGjj36I9d608YYxVAsIw"]


def test_a_key_is_replaced_in_two_steps() -> None:
    old = upstream.first(A, NOW)
    both = upstream.turned(old, NOW + 91 * DAY, 90 * DAY, "", B)
    began = NOW + 91 * DAY
    assert both.accepted("x") == [*Ring((MasterKey(B, 0),)).accepted("x"), *old.accepted("x")]
    assert both.shown("x", began) == old.shown("x", began)
    later = began + OVERLAP_SECONDS
    assert both.shown("x", later) == both.accepted("x")[0]
    # The old one stays for as long as a gateway may not have seen the new one in force.
    assert upstream.turned(both, later, 90 * DAY, "", A) == both
    assert upstream.turned(both, later + OVERLAP_SECONDS, 90 * DAY, "", A).accepted("x") == both.accepted("x")[:1]


def test_a_key_is_replaced_on_demand_once() -> None:
    both = upstream.turned(upstream.first(A, NOW), NOW, 0, "please", B)
    assert [one.secret for one in both.keys] == [A, B]
    one = upstream.turned(both, NOW + 2 * OVERLAP_SECONDS, 0, "please", A)
    assert upstream.turned(one, NOW + 3 * OVERLAP_SECONDS, 0, "please", A) == one


@pytest.mark.parametrize("every", [0.0, 90 * DAY])
def test_a_young_key_stays(every: float) -> None:
    ring = upstream.first(A, NOW)
    assert upstream.turned(ring, NOW + DAY, every, "", B) is ring


def test_a_clock_that_is_behind_shows_the_oldest_key() -> None:
    ring = upstream.first(A, NOW)
    assert ring.shown("x", 0.0) == ring.accepted("x")[0]


def test_what_was_written_is_read() -> None:
    ring = upstream.turned(upstream.first(A, NOW), NOW, 0, "please", B)
    assert upstream.read(msgspec.json.encode(ring)) == ring
    assert ring.identity() != upstream.first(A, NOW).identity()


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "is not a ring of keys"),
        (b'{"keys": []}', "holds no key"),
        (b'{"keys": [{"secret": "short", "since": 0}]}', "too short"),
    ],
)
def test_a_ring_that_is_none_is_refused_without_telling_it(payload: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        upstream.read(payload)
    assert 'short"' not in str(caught.value)


def resolved(defaults: Defaults, value: str) -> Resolved:
    found = resolve(model(), catalog(runtime(env=[{"name": "KEYS", "value": value}])), defaults)
    assert isinstance(found, Resolved)
    return found


WITH_KEY = msgspec.structs.replace(DEFAULTS, upstream_key=True)


@pytest.mark.parametrize(
    ("defaults", "value", "wanted"),
    [
        (WITH_KEY, "$(API_KEY_FILE)", "/var/run/secrets/modelyard/upstream/keys"),
        (WITH_KEY, "nothing", ""),
        (DEFAULTS, "$(API_KEY_FILE)", ""),
    ],
)
def test_only_a_runtime_that_asks_for_the_key_gets_it(defaults: Defaults, value: str, wanted: str) -> None:
    spec = pod_template(model(), resolved(defaults, value))["spec"]
    server = spec["containers"][0]
    found = {one["name"]: one.get("value", "") for one in server["env"]}
    assert found.get("API_KEY_FILE", "") == wanted
    assert ("KEYS" in found) == (bool(wanted) or value == "nothing")
    assert ("upstream-key" in [one["name"] for one in spec["volumes"]]) == bool(wanted)
    assert ("upstream-key" in [one["name"] for one in server["volumeMounts"]]) == bool(wanted)
    assert "upstream-key" not in [one["name"] for one in spec["initContainers"][0]["volumeMounts"]]


def test_the_secret_of_a_namespace_holds_one_key_a_line() -> None:
    ring = upstream.turned(upstream.first(A, NOW), NOW, 0, "please", B)
    secret = upstream_secret("team-a", ring)
    assert (secret["metadata"]["name"], secret["metadata"]["namespace"]) == ("modelyard-upstream-key", "team-a")
    assert base64.b64decode(secret["data"]["keys"]).decode().splitlines() == ring.accepted("team-a")
