"""A token bucket: the operator's own limit, so that a burst of models never starves other clients of the API server."""

import asyncio
from collections.abc import Callable


class Throttle:
    """Lets `rate` requests a second through on average, and `burst` at once."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._filled_at = clock()

    def reserve(self) -> float:
        """Take one token and return the seconds to wait until it is there."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate)

    async def wait(self) -> None:
        """Wait for a token."""
        if delay := self.reserve():
            await asyncio.sleep(delay)
