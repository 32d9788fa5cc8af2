"""One operator process as the kubelet sees it: a machine, what it opened, how it ended, what it logged and wrote."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

import aiohttp
from kopf._cogs.clients import scanning
from msgspec import Struct

from modelyard_operator.process import Process

from .api.kinds import Kind
from .api.storage import Key
from .virtual import VirtualLoop


class Write(Struct, frozen=True):
    """One accepted write of an operator that changed something."""

    at: float
    client: str
    method: str
    kind: Kind
    key: Key
    version: int
    subresource: str = ""

    def __str__(self) -> str:
        what = f"{self.kind.name} {'/'.join(self.key)}{'/' + self.subresource if self.subresource else ''}"
        return f"{self.at:.2f} s {self.client} {self.method} {what} -> {self.version}"


class Container:
    """One operator process on a machine of its own; the kubelet starts it again when it ends by itself."""

    def __init__(self, name: str, loop: VirtualLoop) -> None:
        self.name, self.loop = name, loop
        self.process: Process | None = None
        self.connectors: list[aiohttp.BaseConnector] = []
        self.ended: int | BaseException | None = None


class Log(logging.Handler):
    """What operators log as errors: the only thing that says why a process ended."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []
        logging.getLogger("kopf").setLevel(logging.CRITICAL + 1)
        logger = logging.getLogger("modelyard_operator")
        logger.handlers, logger.propagate = [self], False
        logger.setLevel(logging.ERROR)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        cause = f" ({record.exc_info[1]!r})" if record.exc_info else ""
        self.lines.append(record.getMessage() + cause)


def close(container: Container) -> None:
    for connector in container.connectors:
        connector._close()


class _InOrder:
    """kopf asks for discovery documents in the order of a set, which no seed knows; here, one after another."""

    @staticmethod
    def as_completed(coroutines: Iterable[Any]) -> list[Any]:
        """Tasks for the coroutines, by what they ask for."""
        ordered = sorted(coroutines, key=lambda one: (one.__qualname__, str(one.cr_frame.f_locals.get("url"))))
        return [asyncio.ensure_future(one) for one in ordered]


scanning.asyncio = _InOrder()  # type: ignore[assignment, attr-defined]
