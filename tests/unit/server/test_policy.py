"""Which requests run together: exact decisions, and properties over any queue."""

from collections import deque

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_server.batching import policy


class Ticket(msgspec.Struct, frozen=True):
    rows: int
    key: str = "a"
    enqueued: float = 0.0
    deadline: float = 100.0


def queue(*rows_and_keys: tuple[int, str]) -> deque[Ticket]:
    return deque(Ticket(rows, key) for rows, key in rows_and_keys)


TICKETS = st.lists(st.builds(Ticket, st.integers(1, 9), st.sampled_from("ab")), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("waiting", "max_rows", "taken", "left"),
    [
        pytest.param(queue((1, "a"), (1, "a")), 8, 2, 0, id="everything that waits"),
        pytest.param(queue((3, "a"), (3, "a"), (3, "a")), 8, 2, 1, id="rows are counted, not requests"),
        pytest.param(queue((9, "a"), (1, "a")), 8, 1, 1, id="an oversized request runs alone"),
        pytest.param(queue((1, "a"), (1, "b"), (1, "a")), 8, 2, 1, id="equal shapes from behind another"),
        pytest.param(queue((1, "b"), (1, "a"), (1, "a")), 8, 1, 2, id="the oldest request decides"),
        pytest.param(queue((2, "a"), (1, "b"), (9, "a"), (1, "a")), 8, 1, 3, id="no overtaking among equals"),
        pytest.param(queue((8, "a"), (1, "b")), 8, 1, 1, id="full at once"),
    ],
)
def test_a_batch_takes(waiting: deque[Ticket], max_rows: int, taken: int, left: int) -> None:
    batch = policy.take_batch(waiting, max_rows)
    assert (len(batch), len(waiting)) == (taken, left)


@given(TICKETS, st.integers(1, 10))
def test_every_request_runs_once_in_order_of_its_shape(tickets: list[Ticket], max_rows: int) -> None:
    waiting = deque(tickets)
    done: list[Ticket] = []
    while waiting:
        batch = policy.take_batch(waiting, max_rows)
        assert len({ticket.key for ticket in batch}) == 1
        assert len(batch) == 1 or sum(ticket.rows for ticket in batch) <= max_rows
        done += batch
    for key in "ab":
        assert [id(t) for t in done if t.key == key] == [id(t) for t in tickets if t.key == key]


@given(TICKETS, st.integers(1, 10))
def test_the_oldest_request_is_always_in_the_next_batch(tickets: list[Ticket], max_rows: int) -> None:
    assert policy.take_batch(deque(tickets), max_rows)[0] is tickets[0]


@pytest.mark.parametrize(("queued", "rows", "fits"), [(0, 4, True), (3, 1, True), (4, 1, False), (0, 5, False)])
def test_the_queue_is_bounded_in_rows(queued: int, rows: int, fits: bool) -> None:
    assert policy.fits(queued, rows, 4) is fits


def test_expired_requests_leave_wherever_they_stand() -> None:
    waiting = deque(Ticket(1, deadline=deadline) for deadline in (3.0, 1.0, 4.0, 2.0))
    assert [ticket.deadline for ticket in policy.take_expired(waiting, 2.0)] == [1.0, 2.0]
    assert [ticket.deadline for ticket in waiting] == [3.0, 4.0]


@given(st.lists(st.floats(0, 10), max_size=12), st.floats(0, 10))
def test_nothing_expires_before_the_earliest_deadline(deadlines: list[float], now: float) -> None:
    waiting = deque(Ticket(1, deadline=deadline) for deadline in deadlines)
    earliest = policy.earliest_deadline(waiting)
    assert bool(policy.take_expired(waiting, now)) == (earliest <= now)


@pytest.mark.parametrize(
    ("now", "delay", "rows", "wait"),
    [
        pytest.param(0.0, 0.0, 1, 0.0, id="greedy by default"),
        pytest.param(0.001, 0.005, 1, 0.004, id="a young batch waits for the rest of the delay"),
        pytest.param(0.005, 0.005, 1, 0.0, id="an old batch runs"),
        pytest.param(0.0, 0.005, 8, 0.0, id="a full batch runs"),
    ],
)
def test_seconds_to_wait(now: float, delay: float, rows: int, wait: float) -> None:
    assert policy.seconds_to_wait(deque([Ticket(rows)]), now, delay, 8) == pytest.approx(wait)
