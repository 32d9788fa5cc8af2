"""List, then watch, for ever: every object of a kind, kept in a store that tells who changed."""

import asyncio
import logging

import aiohttp
import msgspec

from modelyard_operator import metrics
from modelyard_operator.cache import Key, Store, key_of
from modelyard_operator.surroundings import Surroundings

from .client import Client, read
from .errors import ApiError, GoneError
from .resources import Resource
from .watching import WatchEvent, event_version

logger = logging.getLogger(__name__)

WATCH_SECONDS = 300
# A watch that ends sooner did not really begin: somebody in between closes connections, or the server is in trouble.
SHORT_SECONDS = 1.0
BACKOFF_FIRST = 0.2
BACKOFF_LAST = 30.0
RELIST_AFTER = 5
# Lists read the store itself, so one that is older than what was seen is a mistake in between, or a store that was put
# back to an earlier state. After so long it is the latter, and all that is known is of no use.
BEHIND_SECONDS = 30.0


class HistoryLostError(Exception):
    """The API server went back in time, as after its store was restored: start again with empty caches."""


class Informer:
    """Keeps one store equal to what the API server has, in one namespace or in all."""

    def __init__(
        self, client: Client, resource: Resource, namespace: str, store: Store, surroundings: Surroundings
    ) -> None:
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._store = store
        self._clock, self._chance = surroundings.clock, surroundings.chance
        self._version = ""
        self._newest = ""
        self._behind_since: float | None = None
        self._failures = 0
        self.synced = asyncio.Event()
        self.last_event = self._clock()
        # To look a label up costs more than to count.
        self._events = metrics.WATCH_EVENTS.labels(resource.plural)

    @property
    def name(self) -> str:
        """Kind and namespace, for logs and probes."""
        return f"{self._resource.plural}{'/' + self._namespace if self._namespace else ''}"

    async def run(self) -> None:
        """List and watch until cancelled. Whatever fails is tried again, with growing pauses."""
        while True:
            began = self._clock()
            try:
                if not self._version:
                    await self._relist()
                await self._follow()
                self._failures = self._failures + 1 if self._clock() - began < SHORT_SECONDS else 0
            except (GoneError, msgspec.MsgspecError) as error:
                logger.info("watch of %s: %s; listing again", self.name, error)
                self._version = ""
                self._failures += 1
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                self._failures += 1
                logger.warning("watch of %s: %s; trying again", self.name, error)
                if self._failures % RELIST_AFTER == 0:
                    self._version = ""
            metrics.WATCH_RESTARTS.labels(self._resource.plural).inc()
            if self._failures:
                await asyncio.sleep(_pause(self._failures, self._chance()))

    async def _relist(self) -> None:
        seen: set[Key] = set()
        version = ""
        async for page, version in self._client.pages(self._resource, self._namespace):
            self._require_present(version)
            self._store.begin_list(self._namespace)
            for found in page:
                seen.add(key_of(found.metadata))
                self._store.put(found)
        self._version = self._newest = version
        self._store.end_list(self._namespace, seen, version)
        self.last_event = self._clock()
        metrics.WATCH_LAST_EVENT.labels(self.name).set_function(lambda: self._clock() - self.last_event)
        self.synced.set()

    def _require_present(self, version: str) -> None:
        """Refuse a list from before what was seen already."""
        if not (version.isdigit() and self._newest.isdigit() and int(version) < int(self._newest)):
            self._behind_since = None
            return
        now = self._clock()
        self._behind_since = now if self._behind_since is None else self._behind_since
        text = f"list of {self.name} is at version {version}, older than {self._newest} that was seen"
        if now - self._behind_since > BEHIND_SECONDS:
            raise HistoryLostError(f"{text}: the API server's store was put back; starting again with empty caches")
        raise ApiError(0, text)

    async def _follow(self) -> None:
        # Some spread, so that a thousand watches never end in the same second.
        seconds = WATCH_SECONDS + int(self._chance() * WATCH_SECONDS / 5)
        async for event in self._client.watch(self._resource, self._namespace, self._version, seconds):
            self._failures = 0
            self.last_event = self._clock()
            self._take(event)

    def _take(self, event: WatchEvent) -> None:
        self._events.inc()
        found = None if event.type == "BOOKMARK" else read(self._resource, event.object)
        self._version = self._newest = event_version(event) if found is None else found.metadata.resource_version
        if found is None:
            return
        if event.type == "DELETED":
            self._store.remove(found)
        else:
            self._store.put(found)


def _pause(failures: int, jitter: float) -> float:
    ceiling = min(BACKOFF_LAST, BACKOFF_FIRST * 2.0 ** min(failures, 10))
    return ceiling * (0.5 + jitter / 2)
