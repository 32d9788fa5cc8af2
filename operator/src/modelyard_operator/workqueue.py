"""A queue of keys: each key once, one worker at a time per key, backoff per key, turns between namespaces."""

import asyncio
import heapq
from collections import OrderedDict, deque
from collections.abc import Callable

from .cache import Key

FIRST_DELAY = 0.1
LAST_DELAY = 60.0
# One model may be worked on so often at once, and then once in so many seconds, however often it or its pods change.
BURST = 30
INTERVAL = 1.0


class Pace:
    """A bound for each key on how often it is worked on, so that one that never rests leaves room for the others.

    Source: the generic cell rate algorithm (ITU-T I.371): one number for each key that was busy lately.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._busy_until: dict[Key, float] = {}

    def wait(self, key: Key) -> float:
        """Seconds until the key may be worked on again."""
        ahead = self._busy_until.get(key, 0.0) - self._clock()
        return max(0.0, ahead - (BURST - 1) * INTERVAL)

    def spend(self, key: Key) -> None:
        """The key is worked on now."""
        now = self._clock()
        self._busy_until[key] = max(self._busy_until.get(key, 0.0), now) + INTERVAL
        if len(self._busy_until) % 1024 == 0:
            self._busy_until = {one: until for one, until in self._busy_until.items() if until > now}


class WorkQueue:
    """Keys that wait for a worker.

    A key that is added while a worker has it waits until that worker is done, so no two workers ever hold the same key,
    and nothing that happened meanwhile is missed. Namespaces take turns: one with a thousand models delays another by
    one model at most. `asked` counts what was ever asked for.
    """

    def __init__(self, clock: Callable[[], float], jitter: Callable[[], float]) -> None:
        self._clock = clock
        self._jitter = jitter
        self._pace = Pace(clock)
        self._turns: OrderedDict[str, deque[Key]] = OrderedDict()
        self._since: dict[Key, float] = {}
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._delayed: list[tuple[float, Key]] = []
        self._due: dict[Key, float] = {}
        self._closed = False
        self.asked = 0
        self._progress_at = clock()
        # Idle workers, and the one timer that wakes them for delayed keys. Each key wakes one worker, not all.
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._since)

    def close(self) -> None:
        """Give no key to a worker any more."""
        self._closed = True

    def stuck(self) -> float:
        """Seconds for which keys wait and no worker gave one back; a long queue that moves is not stuck."""
        return min(self.oldest(), self._clock() - self._progress_at)

    async def idle(self) -> None:
        """Wait until no worker has a key."""
        await self._idle.wait()

    def oldest(self) -> float:
        """Seconds for which the oldest waiting key has waited."""
        return self._clock() - min(self._since.values()) if self._since else 0.0

    def add(self, key: Key) -> None:
        """Ask for a key to be worked on soon."""
        self.asked += 1
        if key in self._working:
            self._again.add(key)
        elif wait := self._pace.wait(key):
            self.add_after(key, wait)
        elif key not in self._since:
            self._since[key] = self._clock()
            self._turns.setdefault(key[0], deque()).append(key)
            self._wake()

    def add_after(self, key: Key, seconds: float) -> None:
        """Ask for a key to be worked on after a while; the earliest of several requests counts."""
        due = self._clock() + seconds
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            heapq.heappush(self._delayed, (due, key))
            self._arm()

    def retry(self, key: Key, at_least: float = 0.0) -> float:
        """Ask again after a failure, later each time; returns the seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(LAST_DELAY, FIRST_DELAY * 2.0 ** min(failures, 16)) * (0.5 + self._jitter() / 2)
        delay = max(delay, at_least)
        self.add_after(key, delay)
        return delay

    def succeeded(self, key: Key) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)

    def done(self, key: Key) -> None:
        """Give a key back."""
        self._progress_at = self._clock()
        self._working.discard(key)
        if not self._working:
            self._idle.set()
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    async def take(self) -> Key:
        """The next key, for the caller alone until `done`."""
        loop = asyncio.get_running_loop()
        while True:
            self._promote()
            if self._turns and not self._closed:
                return self._next()
            woken = loop.create_future()
            self._waiting.append(woken)
            self._arm()
            try:
                await woken
            except asyncio.CancelledError:
                if woken.done() and not woken.cancelled():
                    # This worker ends with a call in its hand: somebody else must take it.
                    self._wake()
                raise

    def _wake(self) -> None:
        while self._waiting:
            woken = self._waiting.popleft()
            if not woken.done():
                woken.set_result(None)
                return

    def _arm(self) -> None:
        """Let the timer ring when the first delayed key is due, if anybody waits for it."""
        if not self._delayed or not self._waiting:
            return
        due = self._delayed[0][0]
        if self._timer is not None:
            if self._rings_at <= due:
                return
            self._timer.cancel()
        self._rings_at = due
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - self._clock()), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._promote()
        self._arm()

    def _next(self) -> Key:
        namespace, keys = self._turns.popitem(last=False)
        key = keys.popleft()
        if keys:
            self._turns[namespace] = keys
        del self._since[key]
        self._working.add(key)
        self._pace.spend(key)
        self._idle.clear()
        return key

    def _promote(self) -> None:
        now = self._clock()
        while self._delayed and self._delayed[0][0] <= now:
            due, key = heapq.heappop(self._delayed)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)
