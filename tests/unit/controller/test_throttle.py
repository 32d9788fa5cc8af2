"""The token bucket in virtual time."""

import pytest

from modelyard_operator.kube.throttle import Throttle


def test_a_burst_is_free_and_then_each_request_waits_its_turn() -> None:
    now = 0.0
    bucket = Throttle(rate=10, burst=3, clock=lambda: now)
    assert [bucket.reserve() for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])


def test_tokens_come_back_but_never_more_than_the_burst() -> None:
    now = [0.0]
    bucket = Throttle(rate=10, burst=2, clock=lambda: now[0])
    for _ in range(2):
        bucket.reserve()
    now[0] = 100.0
    assert [bucket.reserve() for _ in range(3)] == pytest.approx([0, 0, 0.1])


async def test_waiting_lets_the_request_through() -> None:
    now = 0.0
    bucket = Throttle(rate=1000, burst=1, clock=lambda: now)
    await bucket.wait()
    await bucket.wait()
