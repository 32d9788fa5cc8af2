"""O9: a leader that is frozen past its Lease in the middle of a burst, and wakes up when another one leads."""

import signal
from collections.abc import Callable

import pytest

from integration.running import Cluster, eventually
from scale.running import COUNT, PATIENCE, Journal, Process, all_have, create, ready

pytestmark = pytest.mark.integration

IN_THE_MIDDLE = 60


@pytest.fixture
def standby(
    shared: Cluster, operator: Process, start: Callable[[], Process], journal: Journal, namespace: str
) -> Process:
    """A second operator, while the leader is in the middle of a burst of new models."""
    second = start()
    eventually(lambda: second.path("/readyz"))
    create(shared, namespace)
    eventually(lambda: len(journal.writes(operator)) >= IN_THE_MIDDLE, PATIENCE)
    return second


def test_a_frozen_leader_writes_nothing_after_the_standby_has_begun(
    shared: Cluster, operator: Process, standby: Process, journal: Journal, namespace: str
) -> None:
    operator.process.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: len(journal.writes(standby)) > 0, PATIENCE)
    finally:
        operator.process.send_signal(signal.SIGCONT)
    all_have(shared, namespace, ready)
    # It ends itself, or asks for the Lease like any standby: either way it has noticed.
    asked = journal.lease(operator)
    eventually(lambda: operator.process.poll() is not None or journal.lease(operator) > asked + 1)
    old, new = journal.writes(operator), journal.writes(standby)
    assert len(old) < 2 * COUNT, "the freeze came too late to show anything"
    assert max(one.ended for one in old) < min(one.began for one in new)


def test_no_model_is_made_twice_by_two_leaders(
    shared: Cluster, operator: Process, standby: Process, journal: Journal, namespace: str
) -> None:
    operator.process.send_signal(signal.SIGTERM)
    all_have(shared, namespace, ready)
    # A create whose answer came too late is logged as timed out, so some may be missing here; none may be here twice.
    made = [one.name for one in journal.writes(operator, standby) if one.resource == "deployments" and one.code == 201]
    assert len(made) == len(set(made))
    assert len(shared.deployments(namespace)) == COUNT
