"""kopf's part: events of ModelDeployments, the login, and nothing that writes.

kopf's own bookkeeping (annotations, finalizers, events) is switched off: `on.event` with storages that store nothing
costs no write. Errors in an event handler would be dropped, so the handler only puts a key in our queue.
"""

import itertools
from collections.abc import Callable, Iterator
from sys import intern
from typing import Any

import aiohttp
import kopf

from .api.names import GROUP, VERSION
from .cache import Key
from .caches import Caches
from .kube.credentials import Credentials
from .reading import from_body
from .surroundings import Surroundings


class NoDiffBase(kopf.DiffBaseStorage):
    """Remembers no last handled state: the reconcile compares with the cluster, not with the past."""

    def build(self, *, body: Any, extra_fields: Any = None) -> Any:  # noqa: ARG002 - kopf's signature
        """Nothing to compare."""
        return {}

    def fetch(self, *, body: Any) -> Any:  # noqa: ARG002 - kopf's signature
        """Nothing is stored."""
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        """Store nothing."""


class NoProgress(kopf.ProgressStorage):
    """Remembers no progress of handlers: there are none that last."""

    def fetch(self, *, key: Any, body: Any) -> Any:  # noqa: ARG002 - kopf's signature
        """Nothing is stored."""
        return None

    def store(self, *, key: Any, record: Any, body: Any, patch: Any) -> None:
        """Store nothing."""

    def purge(self, *, key: Any, body: Any, patch: Any) -> None:
        """Nothing to purge."""

    def touch(self, *, body: Any, patch: Any, value: Any) -> None:
        """Nothing to touch."""

    def clear(self, *, essence: Any) -> Any:
        """Nothing of ours is in the essence."""
        return essence


class _Delays:
    """Pauses that never end: kopf gives up, and the process with it, when an iterable of pauses does."""

    def __init__(self, first: tuple[float, ...], last: float) -> None:
        self._first, self._last = first, last

    def __iter__(self) -> Iterator[float]:
        return itertools.chain(self._first, itertools.repeat(self._last))


def operator_settings() -> kopf.OperatorSettings:
    """kopf, told to watch and nothing else. The reasons are in docs/design/0002-reconcile-engine.md."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    # Else kopf kills the whole process so many seconds after it ended by itself, though it was begun again.
    settings.process.ultimate_exiting_timeout = None
    settings.queueing.idle_timeout = 0.1
    settings.queueing.error_delays = _Delays((1, 2, 5, 10), 30)
    settings.networking.error_backoffs = _Delays((0.5, 1, 2, 5), 10)
    settings.networking.request_timeout = 15
    settings.watching.server_timeout = 300
    settings.watching.inactivity_timeout = 150
    settings.watching.chunk_size = 100
    return settings


def registry(
    caches: Caches,
    credentials: Credentials,
    enqueue: Callable[[Key], None],
    surroundings: Surroundings,
    listed: Callable[[], None],
) -> kopf.OperatorRegistry:
    """The two handlers: log in, and take events. `listed` hears when kopf has listed rather than watched."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.AiohttpSession:
        await credentials.refresh()
        session = aiohttp.ClientSession(
            connector=surroundings.connector(credentials.context, 0), headers=credentials.authorization()
        )
        return kopf.AiohttpSession(
            server=credentials.server, default_namespace=credentials.namespace, aiohttp_session=session
        )

    @kopf.on.event(GROUP, VERSION, "modeldeployments", registry=handlers)
    async def changed(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's own name
        if type is None:
            listed()
        take(caches, enqueue, type, dict(body))

    return handlers


def take(caches: Caches, enqueue: Callable[[Key], None], event: str | None, body: dict[str, Any]) -> None:
    """Put what was seen in the cache and its key in the queue."""
    metadata = body["metadata"]
    key = (intern(metadata["namespace"]), intern(metadata["name"]))  # a queue keeps it for a while
    if event == "DELETED":
        caches.remove_model(key, metadata["uid"])
        enqueue(key)
    elif caches.put_model(from_body(body)):
        enqueue(key)
