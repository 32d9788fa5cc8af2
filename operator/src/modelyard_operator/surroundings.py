"""What a process finds around it: clocks, chance and the network. Made once, in `__main__`."""

import random
import secrets
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime

import aiohttp
from msgspec import Struct


def wall_time() -> datetime:
    """The time that people read, in UTC; it may jump."""
    return datetime.now(UTC)


def tcp(context: ssl.SSLContext, limit: int) -> aiohttp.BaseConnector:
    """Connections over TCP and TLS, `limit` at once, or any number when it is 0."""
    return aiohttp.TCPConnector(limit=limit, ssl=context)


class Surroundings(Struct, frozen=True):
    """Everything that two runs of the same process could find different."""

    clock: Callable[[], float] = time.monotonic  # seconds since some moment; never goes back
    wall: Callable[[], datetime] = wall_time
    chance: Callable[[], float] = random.random  # from 0 up to, but not including, 1
    secret: Callable[[int], bytes] = secrets.token_bytes  # so many bytes that nobody can guess
    connector: Callable[[ssl.SSLContext, int], aiohttp.BaseConnector] = tcp
