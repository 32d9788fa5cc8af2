"""One version of one model in service: everything that a request needs, found by one look-up."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from modelyard_server.batching.execution import Arrays
from modelyard_server.batching.jobs import Receive
from modelyard_server.engines.model import Model
from modelyard_server.engines.preparation import Preparation
from modelyard_server.generation.generator import Generator
from modelyard_server.metrics import Figures
from modelyard_server.package.files import Package
from modelyard_server.passages import Passed
from modelyard_server.protocol.signature import Signature

T = TypeVar("T")
POLL = 0.02
"""Seconds between looks at whether the last request is done."""


class Queue(Protocol):
    """Where rows wait for the model: a batcher, or a generator's rows."""

    @property
    def queued_rows(self) -> int: ...
    def submit(
        self,
        inputs: Arrays,
        rows: int,
        receive: Receive | None = None,
        timeout: float | None = None,
        passed: Passed | None = None,
    ) -> asyncio.Future[Arrays]: ...
    async def when_idle(self, call: Callable[[], T]) -> T: ...
    def withdraw(self, future: asyncio.Future[Arrays]) -> None: ...
    def close(self, message: str) -> None: ...


class Served:
    """A loaded model with its own queue. Lives on the event loop."""

    __slots__ = (
        "__weakref__", "batcher", "figures", "generator", "inflight", "last_request", "model", "name", "package",
        "prepare", "signature", "version",
    )  # fmt: skip

    def __init__(self, name: str, version: str, loaded: tuple[Package, Model], batcher: Queue, figures: Figures):
        self.name = name
        self.version = version
        self.package, self.model = loaded
        self.signature = Signature(self.package.card.inputs, self.package.card.outputs)
        self.batcher = batcher
        self.prepare: Preparation | None = None
        """Decodes its inputs, where the card declares it."""
        self.figures = figures
        self.generator: Generator | None = None
        """Of a model that generates text; its batcher stands in front of it."""
        self.inflight = 0
        self.last_request = time.monotonic()

    @property
    def platform(self) -> str:
        """The protocol's name for what computes."""
        return f"modelyard_{self.package.card.format}"

    async def drain(self, limit: float) -> None:
        """Wait until its requests are answered, then refuse those that still wait after `limit` seconds."""
        end = time.monotonic() + limit
        while self.inflight and time.monotonic() < end:  # noqa: ASYNC110 (an event would cost every request)
            await asyncio.sleep(POLL)
        self.batcher.close(f"model {self.name!r} version {self.version!r} is unloaded")
