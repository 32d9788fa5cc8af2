"""List, then watch, for ever: every object of a kind, kept in a store that tells who changed."""

import asyncio
import logging
import random
from collections.abc import Callable

import aiohttp
import msgspec

from modelyard_operator import metrics
from modelyard_operator.cache import Store

from .client import Client, WatchEvent, bookmark_version
from .errors import ApiError, GoneError
from .resources import Resource

logger = logging.getLogger(__name__)

WATCH_SECONDS = 300
BACKOFF_FIRST = 0.2
BACKOFF_LAST = 30.0


class Informer:
    """Keeps one store equal to what the API server has, in one namespace or in all."""

    def __init__(
        self, client: Client, resource: Resource, namespace: str, store: Store, clock: Callable[[], float]
    ) -> None:
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._store = store
        self._clock = clock
        self._version = ""
        self.synced = asyncio.Event()
        self.last_event = clock()

    @property
    def name(self) -> str:
        """Kind and namespace, for logs and probes."""
        return f"{self._resource.plural}{'/' + self._namespace if self._namespace else ''}"

    async def run(self) -> None:
        """List and watch until cancelled. Whatever fails is tried again, with growing pauses."""
        failures = 0
        while True:
            try:
                if not self._version:
                    await self._relist()
                await self._follow()
                failures = 0
            except GoneError:
                self._version = ""
            except (ApiError, aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
                failures += 1
                logger.warning("watch of %s: %s; trying again", self.name, error)
                if not isinstance(error, aiohttp.ClientError | TimeoutError):
                    self._version = ""
                await asyncio.sleep(_pause(failures))
            metrics.WATCH_RESTARTS.labels(self._resource.plural).inc()

    async def _relist(self) -> None:
        objects, self._version = await self._client.list(self._resource, self._namespace)
        self._store.replace(self._namespace, objects, self._version)
        self._touch()
        self.synced.set()

    async def _follow(self) -> None:
        # Some spread, so that a thousand watches never end in the same second.
        seconds = WATCH_SECONDS + random.randrange(WATCH_SECONDS // 5)  # noqa: S311 - jitter, not a secret
        async for event in self._client.watch(self._resource, self._namespace, self._version, seconds):
            self._touch()
            self._take(event)

    def _take(self, event: WatchEvent) -> None:
        metrics.WATCH_EVENTS.labels(self._resource.plural).inc()
        if event.type == "BOOKMARK":
            self._version = bookmark_version(event)
            return
        found = msgspec.json.decode(event.object, type=self._resource.type, strict=False)
        self._version = found.metadata.resource_version  # type: ignore[attr-defined]
        if event.type == "DELETED":
            self._store.remove(found)
        else:
            self._store.put(found)

    def _touch(self) -> None:
        self.last_event = self._clock()
        metrics.WATCH_LAST_EVENT.labels(self.name).set_function(lambda: self._clock() - self.last_event)


def _pause(failures: int) -> float:
    ceiling = min(BACKOFF_LAST, BACKOFF_FIRST * 2.0 ** min(failures, 10))
    return ceiling * (0.5 + random.random() / 2)  # noqa: S311 - jitter, not a secret
