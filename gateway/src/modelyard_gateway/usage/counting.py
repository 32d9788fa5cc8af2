"""The loop: what Envoy tells of answers -> metrics, limits, and in the end the statuses of keys."""

import asyncio
import logging
from collections.abc import Callable

from modelyard_gateway import metrics
from modelyard_gateway.keys.limits import Limits

from .file import UsageFile
from .ledger import Ledger
from .line import Sample, parse
from .series import Series

logger = logging.getLogger(__name__)

# A limit on tokens and a budget know of an answer so long after Envoy has told of it.
LOOK_SECONDS = 0.1


class Counting:
    """Reads on; writes statuses every so many seconds."""

    def __init__(
        self, file: UsageFile, ledger: Ledger, limits: Limits, seconds: float, clock: Callable[[], float]
    ) -> None:
        self._file = file
        self._ledger = ledger
        self._limits = limits
        self._seconds = seconds
        self._clock = clock
        self._series = Series()
        self._known_to = 0

    async def run(self) -> None:
        """Count until cancelled; to be started once all keys are known."""
        while not self._file.open():  # noqa: ASYNC110 - Envoy makes it, and rings no bell
            await asyncio.sleep(LOOK_SECONDS)
        # The process before this one counted these lines in its metrics, but did not write all of them.
        self._known_to = self._file.size()
        due = self._clock() + self._seconds
        while True:
            while await self._read():  # noqa: ASYNC110 - others get their turn between two chunks
                await asyncio.sleep(0)
            metrics.USAGE_BEHIND.set(self._file.size() - self._file.position)
            if self._clock() >= due:
                await self._write()
                due = self._clock() + self._seconds
            await asyncio.sleep(LOOK_SECONDS)

    async def end(self) -> None:
        """Read and write the rest, when this process ends."""
        if self._file.open():
            while await self._read():
                pass
            await self._write()
        self._file.close()

    async def _read(self) -> bool:
        """Count a chunk; whether there was anything."""
        before = self._file.position
        for text, position in self._file.lines():
            sample = parse(text)
            if sample:
                await self._count(sample, position)
        return self._file.position != before

    async def _count(self, sample: Sample, position: int) -> None:
        key = self._ledger.note(sample, position)
        if position <= self._known_to:
            return
        self._series.count(sample)
        if key and key.spec.rate_limit and sample.used.tokens:
            await self._limits.charge(key.metadata.uid, key.spec.rate_limit, sample.used.tokens)

    async def _write(self) -> None:
        position = self._file.position
        if await self._ledger.flush(position):
            self._file.keep(position)
