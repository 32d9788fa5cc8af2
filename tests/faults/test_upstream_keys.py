"""The keys that the gateway shows to models: made once, handed out to each namespace, replaced without a gap."""

import base64
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest

from faults.api.kinds import MODELS, POLICIES, SECRETS
from faults.harness import SYSTEM, Run
from faults.scenario import furnish
from modelyard_operator.api import upstream
from modelyard_operator.api.upstream import OVERLAP_SECONDS, Ring
from modelyard_operator.model_watch import SWEEP_SECONDS

MASTER = (SYSTEM, "modelyard-upstream")
OURS = ("team-a", upstream.NAMESPACE_SECRET)


def entry(run: Run, key: tuple[str, str], name: str) -> bytes:
    """An entry of a Secret."""
    return base64.b64decode(run.storage.objects[SECRETS][key].body["data"][name])


def ring(run: Run) -> Ring:
    """The keys of the installation."""
    return upstream.read(entry(run, MASTER, upstream.MASTER_ENTRY))


def accepted(run: Run) -> list[str]:
    """The keys that models of team-a take."""
    return entry(run, OURS, upstream.NAMESPACE_ENTRY).decode().split()


@pytest.fixture
def run() -> Iterator[Run]:
    """A model that serves."""
    with closing(Run("upstream keys")) as run:
        furnish(run)
        run.start()
        run.put(MODELS, "team-a", "digits", {"spec": {"model": {"uri": "s3://models/digits/1"}}})
        run.wait(30)
        yield run


def secrets_sent(run: Run) -> int:
    """Secrets that the operator asked to have written."""
    return sum(target.kind == SECRETS for _, target in run.sent)


def test_a_namespace_with_models_has_the_key_that_the_gateway_shows(run: Run) -> None:
    assert accepted(run) == [ring(run).shown("team-a", run.wall().timestamp())]
    assert set(run.storage.objects[SECRETS]) == {MASTER, OURS}


def test_a_restart_makes_no_new_key_and_writes_no_secret(run: Run) -> None:
    before, sent = ring(run), secrets_sent(run)
    run.stop("operator-a")
    run.start()
    run.wait(60)
    assert (ring(run), secrets_sent(run)) == (before, sent)


def test_a_deleted_secret_comes_back_when_a_pod_needs_it_though_nobody_may_look_for_it(run: Run) -> None:
    before = accepted(run)
    run.delete(SECRETS, OURS)
    run.put(MODELS, "team-a", "digits", {"spec": {"model": {"uri": "s3://models/digits/2"}}})
    run.wait(2 * SWEEP_SECONDS)
    assert accepted(run) == before
    body = run.model(("team-a", "digits"))
    assert body is not None
    assert body["status"]["summary"] == "Ready"


def test_a_new_key_reaches_every_model_before_it_is_used(run: Run) -> None:
    old = ring(run)
    run.patch(SECRETS, MASTER, {"metadata": {"annotations": {"modelyard.dev/rotate": "today"}}})
    run.wait(60)
    both = ring(run)
    assert accepted(run) == both.accepted("team-a")
    assert both.shown("team-a", run.wall().timestamp()) == old.shown("team-a", 0)
    run.wait(2 * OVERLAP_SECONDS + 120)
    now = run.wall().timestamp()
    assert accepted(run) == [ring(run).shown("team-a", now)] == [both.shown("team-a", now)]
    assert accepted(run) != old.accepted("team-a")


def test_keys_that_cannot_be_read_are_named_in_the_status(run: Run) -> None:
    run.stop("operator-a")
    run.patch(SECRETS, MASTER, {"data": {upstream.MASTER_ENTRY: base64.b64encode(b"?").decode()}})
    run.put(MODELS, "team-b", "digits", {"spec": {"model": {"uri": "s3://models/digits/1"}}})
    run.start()
    run.wait(60)
    assert (
        SECRETS not in run.storage.objects or ("team-b", upstream.NAMESPACE_SECRET) not in run.storage.objects[SECRETS]
    )
    body: dict[str, Any] | None = run.model(("team-b", "digits"))
    assert body is not None
    ready = next(one for one in body["status"]["conditions"] if one["type"] == "Ready")
    assert ready["reason"] == "ApplyRejected"
    assert "Secret modelyard-system/modelyard-upstream: ring.json is not a ring of keys" in ready["message"]


def test_no_key_is_in_a_policy_or_a_log(run: Run) -> None:
    policy = msgspec.json.encode(run.storage.objects[POLICIES]["team-a", "modelyard-models"].body).decode()
    shown = [*accepted(run), *(one.secret for one in ring(run).keys)]
    assert not [one for one in shown if one in policy or one in "".join(map(str, run.log.lines))]
