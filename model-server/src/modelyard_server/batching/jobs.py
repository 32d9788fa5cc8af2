"""A request in the queue, and which of them may run together."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Set
from typing import Any

from modelyard_server.batching.execution import Arrays
from modelyard_server.passages import Passed

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientGoneError(Exception):
    """The client closed its connection while the request waited; there is nobody to answer."""


class Job:
    """One queued request; `until` are the times when it came and when it is too late."""

    __slots__ = ("deadline", "enqueued", "future", "inputs", "key", "passed", "receive", "rows", "watcher")

    def __init__(self, inputs: Arrays, rows: int, key: object, until: tuple[float, float]) -> None:
        self.inputs = inputs
        self.rows = rows
        self.key = key
        self.enqueued, self.deadline = until
        self.future: asyncio.Future[Arrays] = asyncio.get_running_loop().create_future()
        self.receive: Receive | None = None
        self.passed: Passed | None = None
        self.watcher: asyncio.Task[None] | None = None


def key_of(inputs: Arrays, ragged: Set[str]) -> object:
    """Requests of one key can run together: their rows are alike, but for inputs whose rows may differ in length."""
    shapes = [() if name in ragged else array.shape[1:] for name, array in inputs.items()]
    return (*shapes, *inputs)
