"""One version of one model in service: everything that a request needs, found by one look-up."""

import asyncio
import time

from modelyard_server.batching.batcher import Batcher
from modelyard_server.engines.model import Model
from modelyard_server.metrics import Figures
from modelyard_server.package.files import Package
from modelyard_server.protocol.signature import Signature

POLL = 0.02
"""Seconds between looks at whether the last request is done."""


class Served:
    """A loaded model with its own queue. Lives on the event loop."""

    __slots__ = (
        "__weakref__", "batcher", "figures", "inflight", "last_request", "model", "name", "package", "signature",
        "version",
    )  # fmt: skip

    def __init__(self, name: str, version: str, loaded: tuple[Package, Model], batcher: Batcher, figures: Figures):
        self.name = name
        self.version = version
        self.package, self.model = loaded
        self.signature = Signature(self.package.card.inputs, self.package.card.outputs)
        self.batcher = batcher
        self.figures = figures
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
