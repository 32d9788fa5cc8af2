"""How fast a key may be used: counted by this replica alone, or by all replicas in a shared store."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from modelyard_gateway import metrics
from modelyard_operator.api.inference_key import RateLimit

from .buckets import Buckets

logger = logging.getLogger(__name__)

# A store in the same cluster answers within a millisecond; nobody waits longer than this for a limit.
STORE_SECONDS = 0.5
CONNECTIONS = 16
# So long after a failure the store is left alone.
AWAY_SECONDS = 1.0
_PREFIX = "modelyard:limit:"
# The same as `buckets`, in one step for all replicas, by the clock of the store. Fields: requests, tokens, and when.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local perRequest, perToken, tokens = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local was = redis.call('HMGET', KEYS[1], 'r', 't', 'at')
local passed = was[3] and math.max(0, now - tonumber(was[3])) or 0
local function filled(level, limit)
  return math.min(limit, (level and tonumber(level) or limit) + passed * limit / 60000)
end
local r, t, wait = filled(was[1], perRequest), filled(was[2], perToken), 0
if tokens < 0 then
  if perToken > 0 then wait = math.max(wait, (1 - t) * 60000 / perToken) end
  if perRequest > 0 then
    wait = math.max(wait, (1 - r) * 60000 / perRequest)
    if wait == 0 then r = r - 1 end
  end
else
  t = t - tokens
end
redis.call('HSET', KEYS[1], 'r', tostring(r), 't', tostring(t), 'at', now)
local debt = perToken > 0 and math.max(0, -t) * 60000 / perToken or 0
redis.call('PEXPIRE', KEYS[1], math.ceil(debt) + 120000)
return math.ceil(wait)
"""
_ASK = -1


class Limits(Protocol):
    """Counts requests and tokens of keys, by the uid of their InferenceKey."""

    async def admit(self, uid: str, limit: RateLimit) -> float:
        """Take a request; or seconds to wait, and nothing is taken."""

    async def charge(self, uid: str, limit: RateLimit, tokens: int) -> None:
        """Take the tokens of an answer."""

    def forget(self, uid: str) -> None:
        """A key is gone."""

    async def close(self) -> None:
        """End."""


class OwnLimits:
    """What this replica counts: with n replicas a key may do up to n times as much."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets = Buckets()

    async def admit(self, uid: str, limit: RateLimit) -> float:
        """Take a request; or seconds to wait."""
        return self._buckets.admit(uid, limit, self._clock())

    async def charge(self, uid: str, limit: RateLimit, tokens: int) -> None:
        """Take the tokens of an answer."""
        self._buckets.charge(uid, limit, tokens, self._clock())

    def forget(self, uid: str) -> None:
        """A key is gone."""
        self._buckets.forget(uid)

    async def close(self) -> None:
        """Nothing is open."""


class SharedLimits:
    """What all replicas count together, in a Valkey or Redis; while that is away each counts for itself."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        # Who finds all connections busy waits for one.
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=STORE_SECONDS,
            socket_timeout=STORE_SECONDS,
            socket_connect_timeout=STORE_SECONDS,
        )
        self._store = Redis.from_pool(pool)
        self._script = self._store.register_script(_SCRIPT)
        self._own = OwnLimits(clock)
        self._clock = clock
        self._away_until = 0.0
        metrics.LIMITS_SHARED.set(1)

    async def admit(self, uid: str, limit: RateLimit) -> float:
        """Take a request; or seconds to wait."""
        found = await self._asked(uid, limit, _ASK)
        return await self._own.admit(uid, limit) if found is None else found / 1000

    async def charge(self, uid: str, limit: RateLimit, tokens: int) -> None:
        """Take the tokens of an answer."""
        if await self._asked(uid, limit, tokens) is None:
            await self._own.charge(uid, limit, tokens)

    def forget(self, uid: str) -> None:
        """A key is gone; what the store has of it ends by itself."""
        self._own.forget(uid)

    async def close(self) -> None:
        """Close the connections."""
        await self._store.aclose()

    async def _asked(self, uid: str, limit: RateLimit, tokens: int) -> int | None:
        """Milliseconds to wait; None when the store cannot be asked."""
        if self._clock() < self._away_until:
            return None
        arguments = [limit.requests_per_minute or 0, limit.tokens_per_minute or 0, tokens]
        try:
            async with asyncio.timeout(STORE_SECONDS):
                answer: Any = self._script(keys=[_PREFIX + uid], args=arguments)
                found = int(await _awaited(answer))
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(error)
            return None
        if self._away_until:
            self._away_until = 0.0
            metrics.LIMITS_SHARED.set(1)
            logger.info("the store of limits answers again")
        return found

    def _lost(self, error: Exception) -> None:
        if not self._away_until:
            # Not the error's own words: they may hold the address, and that the password.
            logger.warning("the store of limits does not answer (%s): each replica counts alone", type(error).__name__)
        self._away_until = self._clock() + AWAY_SECONDS
        metrics.LIMITS_SHARED.set(0)


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer
