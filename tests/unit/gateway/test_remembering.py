"""Answers that hold for a while."""

import asyncio
import gc

import pytest

from modelyard_gateway.access.remembering import Remembered


class Oracle:
    """Answers questions by counting them, when it is let."""

    def __init__(self, most: int = 10, life: float = 60.0) -> None:
        self.now = 0.0
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.known: Remembered[str, int] = Remembered(most, lambda _: life, lambda: self.now)

    async def ask(self) -> int:
        self.asked += 1
        number = self.asked
        await self.gate.wait()
        return number

    async def get(self, key: str = "a") -> int:
        return await self.known.get(key, self.ask)


async def test_an_answer_is_asked_for_once_until_its_life_is_over() -> None:
    oracle = Oracle()
    assert [await oracle.get(), await oracle.get()] == [1, 1]
    oracle.now = 59.9
    assert await oracle.get() == 1
    oracle.now = 60.0
    assert oracle.known.known("a") is None
    assert await oracle.get() == 2


async def test_many_who_wait_for_the_same_answer_ask_once() -> None:
    oracle = Oracle()
    oracle.gate.clear()
    waiting = [asyncio.create_task(oracle.get()) for _ in range(100)]
    await asyncio.sleep(0)
    oracle.gate.set()
    assert set(await asyncio.gather(*waiting)) == {1}


async def test_who_goes_away_takes_nobody_s_answer_along() -> None:
    oracle = Oracle()
    oracle.gate.clear()
    first, second = asyncio.create_task(oracle.get()), asyncio.create_task(oracle.get())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    oracle.gate.set()
    assert await second == 1
    assert first.cancelled()


async def test_a_failure_is_not_remembered() -> None:
    oracle = Oracle()

    async def fail() -> int:
        raise OSError("the API server is away")

    with pytest.raises(OSError, match="away"):
        await oracle.known.get("a", fail)
    assert await oracle.get() == 1


async def test_a_failure_that_nobody_waits_for_is_nobody_s_complaint() -> None:
    oracle = Oracle()
    oracle.gate.clear()
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def fail() -> int:
        await oracle.gate.wait()
        raise OSError("the API server is away")

    waiting = asyncio.create_task(oracle.known.get("a", fail))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    oracle.gate.set()
    await asyncio.sleep(0.01)
    gc.collect()
    assert complaints == []


async def test_the_oldest_answer_goes_first_when_there_are_too_many() -> None:
    oracle = Oracle(most=2)
    for key in ("a", "b", "a", "c"):
        await oracle.get(key)
    assert len(oracle.known) == 2
    assert (oracle.known.known("a"), oracle.known.known("b"), oracle.known.known("c")) == (1, None, 3)
