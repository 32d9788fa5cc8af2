"""The queue in virtual time."""

import asyncio

from modelyard_operator.workqueue import BURST, FIRST_DELAY, INTERVAL, LAST_DELAY, Pace, WorkQueue


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def queue() -> tuple[WorkQueue, Clock]:
    clock = Clock()
    return WorkQueue(clock, lambda: 1.0), clock


async def test_a_key_waits_once_however_often_it_is_added() -> None:
    keys, _ = queue()
    keys.add(("a", "x"))
    keys.add(("a", "x"))
    assert await keys.take() == ("a", "x")
    assert len(keys) == 0


async def test_a_key_that_is_worked_on_is_never_given_to_a_second_worker() -> None:
    keys, _ = queue()
    keys.add(("a", "x"))
    await keys.take()
    keys.add(("a", "x"))
    assert len(keys) == 0
    keys.done(("a", "x"))
    assert await keys.take() == ("a", "x")


async def test_namespaces_take_turns() -> None:
    keys, _ = queue()
    for name in ("1", "2", "3"):
        keys.add(("large", name))
    keys.add(("small", "1"))
    order = [await keys.take() for _ in range(4)]
    assert order == [("large", "1"), ("small", "1"), ("large", "2"), ("large", "3")]


async def test_a_delayed_key_comes_when_it_is_due() -> None:
    keys, clock = queue()
    keys.add_after(("a", "later"), 5)
    keys.add(("a", "now"))
    assert await keys.take() == ("a", "now")
    clock.now = 5
    assert await keys.take() == ("a", "later")


async def test_a_later_delay_changes_nothing() -> None:
    keys, clock = queue()
    keys.add_after(("a", "x"), 3)
    keys.add_after(("a", "x"), 9)
    clock.now = 3
    assert await keys.take() == ("a", "x")


async def test_the_earliest_of_two_delays_counts_and_the_key_comes_once() -> None:
    keys, clock = queue()
    keys.add_after(("a", "x"), 9)
    keys.add_after(("a", "x"), 3)
    keys.add_after(("a", "x"), 6)
    clock.now = 10
    assert await keys.take() == ("a", "x")
    keys.done(("a", "x"))
    keys.add(("b", "end"))
    assert await keys.take() == ("b", "end")


async def test_pauses_double_up_to_a_limit_and_success_forgets_them() -> None:
    keys, _ = queue()
    pauses = [keys.retry(("a", "x")) for _ in range(20)]
    assert pauses[:3] == [FIRST_DELAY, FIRST_DELAY * 2, FIRST_DELAY * 4]
    assert pauses[-1] == LAST_DELAY
    keys.succeeded(("a", "x"))
    assert keys.retry(("a", "x")) == FIRST_DELAY


async def test_the_server_s_own_wish_is_respected() -> None:
    keys, _ = queue()
    assert keys.retry(("a", "x"), at_least=7) == 7


async def test_age_of_the_oldest() -> None:
    keys, clock = queue()
    assert keys.oldest() == 0
    keys.add(("a", "x"))
    clock.now = 4
    keys.add(("a", "y"))
    assert keys.oldest() == 4


async def test_a_worker_that_waits_is_woken() -> None:
    keys, _ = queue()
    waiting = asyncio.create_task(keys.take())
    await asyncio.sleep(0)
    keys.add(("a", "x"))
    assert await waiting == ("a", "x")


async def test_a_worker_wakes_up_by_itself_when_a_delay_ends() -> None:
    loop = asyncio.get_running_loop()
    keys = WorkQueue(loop.time, lambda: 1.0)
    keys.add_after(("a", "x"), 0.01)
    assert await keys.take() == ("a", "x")


async def test_idle_waits_for_the_last_worker() -> None:
    keys, _ = queue()
    await keys.idle()
    keys.add(("a", "x"))
    keys.add(("a", "y"))
    keys.done(await keys.take())
    await keys.take()
    keys.add(("a", "z"))
    await keys.take()
    keys.done(("a", "y"))
    idle = asyncio.create_task(keys.idle())
    await asyncio.sleep(0)
    assert not idle.done()
    keys.done(("a", "z"))
    await idle


async def test_a_closed_queue_gives_nothing_away() -> None:
    keys, _ = queue()
    keys.close()
    keys.add(("a", "x"))
    waiting = asyncio.create_task(keys.take())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_a_long_queue_that_moves_is_not_stuck() -> None:
    keys, clock = queue()
    keys.add(("a", "x"))
    keys.add(("a", "y"))
    clock.now = 500
    first = await keys.take()
    keys.done(first)
    clock.now = 510
    assert keys.oldest() == 510
    assert keys.stuck() == 10


async def test_a_key_that_never_rests_is_slowed_down_and_others_are_not() -> None:
    keys, clock = queue()
    restless = ("a", "x")
    for _ in range(BURST):
        keys.add(restless)
        keys.done(await keys.take())
    keys.add(restless)
    keys.add(("a", "calm"))
    assert len(keys) == 1
    keys.done(await keys.take())
    clock.now = INTERVAL
    assert await keys.take() == restless


def test_a_key_that_rests_may_burst_again_and_is_forgotten() -> None:
    clock = Clock()
    pace = Pace(clock)
    for _ in range(BURST):
        pace.spend(("a", "x"))
    assert pace.wait(("a", "x")) == INTERVAL
    clock.now = BURST * INTERVAL
    assert pace.wait(("a", "x")) == 0
    for number in range(1023):
        pace.spend(("a", str(number)))
    assert ("a", "x") not in pace._busy_until


async def test_a_worker_that_ends_passes_its_call_on() -> None:
    keys, _ = queue()
    ending, staying = asyncio.create_task(keys.take()), asyncio.create_task(keys.take())
    await asyncio.sleep(0)
    keys.add(("a", "x"))
    ending.cancel()
    assert await staying == ("a", "x")
    assert ending.cancelled()


async def test_a_worker_that_ended_before_is_passed_over() -> None:
    keys, _ = queue()
    ending, staying = asyncio.create_task(keys.take()), asyncio.create_task(keys.take())
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.sleep(0)
    keys.add(("a", "x"))
    assert await staying == ("a", "x")


async def test_a_key_wakes_one_worker_and_not_all() -> None:
    keys, _ = queue()
    workers = [asyncio.create_task(keys.take()) for _ in range(3)]
    await asyncio.sleep(0)
    keys.add(("a", "x"))
    assert len(keys._waiting) == 2
    keys.add(("a", "y"))
    keys.add(("a", "z"))
    assert await asyncio.gather(*workers) == [("a", "x"), ("a", "y"), ("a", "z")]


async def test_a_shorter_delay_rings_first_and_a_longer_one_still_rings() -> None:
    loop = asyncio.get_running_loop()
    keys = WorkQueue(loop.time, lambda: 1.0)
    workers = [asyncio.create_task(keys.take()) for _ in range(2)]
    await asyncio.sleep(0)
    for name, seconds in (("late", 0.02), ("later", 0.03), ("soon", 0.001)):
        keys.add_after(("a", name), seconds)
    assert await asyncio.gather(*workers) == [("a", "soon"), ("a", "late")]
    assert await keys.take() == ("a", "later")
