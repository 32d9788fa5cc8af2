"""The Lease: renewed now and then while all is well, and as soon as possible once it was not."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from faults.api.kinds import LEASES
from faults.api.storage import Event
from faults.harness import Run

DURATION = 10.0
# The holder counts on it for nine tenths of its duration.
VALID = 9.0


class Leader:
    """One operator that leads, and when its Lease was written."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.written: list[float] = []
        run.storage.listeners.append(self._seen)
        run.start()
        run.wait(30)

    def _seen(self, event: Event) -> None:
        if event.kind is LEASES:
            self.written.append(self.run.universe.now)

    def renewed(self) -> None:
        """Wait until it is renewed."""
        before = len(self.written)
        self.run.universe.run(DURATION, lambda: len(self.written) > before)

    def leads(self) -> bool:
        """Whether it may write now."""
        process = self.run.containers["operator-a"].process
        return process is not None and process._lease.held()


@pytest.fixture
def leader() -> Iterator[Leader]:
    with closing(Run("lease", lease=DURATION)) as run:
        yield Leader(run)


def test_a_lease_is_renewed_each_fifth_of_its_duration(leader: Leader) -> None:
    before = len(leader.written)
    leader.run.wait(60)
    assert len(leader.written) - before in (29, 30)


def test_an_outage_that_ends_just_before_the_lease_does_costs_no_leadership(leader: Leader) -> None:
    leader.renewed()
    leader.run.injection.storm(["unavailable"], 1.0)
    leader.run.wait(VALID - 0.8)
    leader.run.injection.calm()
    led = []
    for _ in range(20):
        leader.run.wait(0.1)
        led.append(leader.leads())
    assert all(led)
