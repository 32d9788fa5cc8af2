"""Answers that hold for a while: each is asked for once at a time, however many wait for it; the oldest go first."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """A bounded cache of answers, with a life for each."""

    def __init__(self, most: int, life: Callable[[V], float], clock: Callable[[], float]) -> None:
        self._most = most
        self._life = life
        self._clock = clock
        self._known: OrderedDict[K, tuple[V, float]] = OrderedDict()
        self._asked: dict[K, asyncio.Task[V]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def known(self, key: K) -> V | None:
        """The answer, if it still holds."""
        found = self._known.get(key)
        if found is None or found[1] <= self._clock():
            return None
        self._known.move_to_end(key)
        return found[0]

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        """The answer, asked for unless it is known; a failure is everybody's who waits for it, and is not remembered.

        Who goes away while waiting takes nobody else's answer along.
        """
        if (found := self.known(key)) is not None:
            return found
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.ensure_future(self._ask(key, ask))
            # Else asyncio complains of a failure that nobody waits for any more.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _ask(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        try:
            answer = await ask()
        finally:
            del self._asked[key]
        self._known[key] = (answer, self._clock() + self._life(answer))
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return answer
