"""All models of the process. State lives on the event loop; only loads leave it."""

import asyncio
import gc
import logging
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from modelyard_server.batching.batcher import Batcher
from modelyard_server.batching.limits import Limits
from modelyard_server.batching.worker import Worker
from modelyard_server.errors import NotFoundError, NotReadyError, PackageError, StartupError
from modelyard_server.generation.model import Decoding
from modelyard_server.metrics import Metrics
from modelyard_server.models import layout, loading, states, texts
from modelyard_server.models.layout import Candidate
from modelyard_server.models.served import Served
from modelyard_server.models.states import Entry, Key, ModelState, Routes
from modelyard_server.settings import Settings

YOUNG_OBJECTS = 10_000
"""New objects after which Python looks for cycles; requests make none, so its 700 are some percent of their time."""
log = logging.getLogger(__name__)


class Repository:
    """Loads, replaces and unloads models; `find` gives what serves."""

    def __init__(self, settings: Settings, worker: Worker, metrics: Metrics) -> None:
        self._settings = settings
        self._worker = worker
        self._metrics = metrics
        self._entries: dict[Key, Entry] = {}
        self._routes: dict[Key, Served] = {}
        self._leaving: set[Served] = set()
        self._retiring: set[asyncio.Task[None]] = set()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._listeners: list[Callable[[Routes], None]] = []
        self._names: frozenset[str] = frozenset()

    def listen(self, listener: Callable[[Routes], None]) -> None:
        """`listener` gets the routes now and after every change."""
        self._listeners.append(listener)
        listener(self._routes)

    async def scan(self) -> Mapping[str, tuple[Candidate, ...]]:
        """What lies on disk now. Raises StartupError."""
        try:
            found = await asyncio.to_thread(layout.scan, self._settings)
        except (PackageError, OSError) as error:
            raise StartupError("LoadFailed", str(error)) from error
        self._names = frozenset(found)
        return found

    def find(self, name: str, version: str = "") -> Served:
        """What serves. Raises NotFoundError, or NotReadyError for what is there but does not serve."""
        served = self._routes.get((name, version))
        if served is None:
            raise states.absence(self._entries.values(), self._names, name, version)
        return served

    def find_for_request(self, name: str, version: str = "") -> Served:
        """As `find`, and a refusal is counted."""
        try:
            return self.find(name, version)
        except NotReadyError:
            self._metrics.rejected(name if name in self._names else "", version, "loading")
            raise

    def is_ready(self, name: str, version: str = "") -> bool:
        """Does it serve? Raises NotFoundError."""
        try:
            self.find(name, version)
        except NotReadyError:
            return False
        return True

    def versions(self, name: str) -> list[str]:
        """The versions that serve, from lowest to highest."""
        return sorted((version for one, version in self._routes if one == name and version), key=layout.order)

    def names(self) -> list[str]:
        """The models that serve."""
        return sorted(name for name, version in self._routes if not version)

    def all_served(self) -> Iterable[Served]:
        """What serves or finishes its last requests."""
        return [*(served for (_, version), served in self._routes.items() if version), *self._leaving]

    async def index(self) -> list[Entry]:
        """Every version that is loaded, was asked for or lies on disk."""
        entries = dict(self._entries)
        for candidates in (await self.scan()).values():
            for one in candidates:
                unknown = Entry(one.name, one.version, ModelState.UNAVAILABLE, "not loaded")
                entries.setdefault((one.name, one.version), unknown)
        return [entries[key] for key in sorted(entries, key=lambda key: (key[0], layout.order(key[1])))]

    def expect(self, candidates: Iterable[Candidate]) -> None:
        """These will be loaded: until then they are known to be loading."""
        for candidate in candidates:
            self._entry(candidate)

    async def load(self, name: str) -> None:
        """Load what lies on disk in the place of what serves, which goes on serving when that fails.

        A version that fails does not stop the others. Raises NotFoundError and StartupError.
        """
        async with self._locks[name]:
            candidates = (await self.scan()).get(name)
            if candidates is None:
                raise NotFoundError(f"model {name!r} is not in the repository; it holds {states.listed(self._names)}")
            wanted = layout.wanted(candidates, self._settings.version_policy)
            failures = []
            for candidate in wanted:
                try:
                    await self._load_version(candidate)
                except StartupError as error:
                    failures.append(error)
            if failures:
                raise failures[0]
            kept = {candidate.version for candidate in wanted}
            self._forget([key for key in self._entries if key[0] == name and key[1] not in kept])

    async def unload(self, name: str) -> None:
        """Take a model out of service and wait until its requests are answered. Raises NotFoundError."""
        async with self._locks[name]:
            entries = [entry for entry in self._entries.values() if entry.name == name]
            if not entries and name not in await self.scan():
                raise NotFoundError(f"model {name!r} is not in the repository; it holds {states.listed(self._names)}")
            leaving = [entry for entry in entries if entry.served is not None]
            for entry in leaving:
                entry.state, entry.reason = ModelState.UNLOADING, "finishes its last requests"
            self._publish()
            await asyncio.gather(*(self._retire(entry.served) for entry in leaving if entry.served is not None))
            for entry in entries:
                entry.state, entry.reason, entry.served = ModelState.UNAVAILABLE, "unloaded", None
            _thaw()

    def close(self, message: str) -> None:
        """Refuse what still waits: the drain time is over."""
        for served in self.all_served():
            served.batcher.close(message)

    async def _load_version(self, candidate: Candidate) -> None:
        entry = self._entry(candidate)
        before = entry.served
        if before is None:
            entry.state, entry.reason = ModelState.LOADING, ""
        started = time.perf_counter()
        try:
            loaded = await loading.load(candidate, self._settings, self._worker)
        except StartupError as error:
            entry.state = ModelState.UNAVAILABLE if before is None else ModelState.READY
            entry.reason = str(error) if before is None else f"the last load failed, the one before serves: {error}"
            raise
        entry.served = self._serve(candidate, loaded, time.perf_counter() - started)
        entry.state, entry.reason = ModelState.READY, ""
        _freeze()
        self._publish()
        if before is not None:
            self._retire_later(before)

    def _entry(self, candidate: Candidate) -> Entry:
        key = (candidate.name, candidate.version)
        entry = self._entries.setdefault(key, Entry(*key))
        self._metrics.watch_ready(*key, lambda: entry.state is ModelState.READY)
        return entry

    def _serve(self, candidate: Candidate, loaded: loading.Loaded, seconds: float) -> Served:
        settings, (package, model, prepare) = self._settings, loaded
        figures = self._metrics.of(candidate.name, candidate.version)
        if isinstance(model, Decoding):
            served = texts.serve(candidate, (package, model), settings, (self._worker, self._metrics))
        else:
            limits = Limits(
                settings.max_batch_rows, settings.max_batch_delay, settings.max_queue_rows, settings.queue_timeout
            )
            batcher = Batcher(self._worker, model.predict, limits, figures, prepare)
            served = Served(candidate.name, candidate.version, (package, model), batcher, figures)
            served.prepare = prepare
        figures.watch(*_gauges(served))
        figures.loaded(seconds, model.parameter_bytes, (package.card.format, package.digest, model.device))
        fields = {"model": served.name, "version": served.version, "format": package.card.format}
        more = {"digest": package.digest, "device": model.device, "parameter_bytes": model.parameter_bytes}
        log.info("model is ready", extra={**fields, **more, "seconds": round(seconds, 3)})
        return served

    def _publish(self) -> None:
        """Routes from entries: the one place where what serves changes."""
        self._routes = states.routes(self._entries.values())
        for listener in self._listeners:
            listener(self._routes)

    def _forget(self, keys: Iterable[Key]) -> None:
        """Versions that are no longer wanted, now that others serve."""
        gone = [self._entries.pop(key) for key in keys]
        self._publish()
        for entry in gone:
            if entry.served is None:
                self._metrics.remove(entry.name, entry.version)
            else:
                self._retire_later(entry.served)

    def _retire_later(self, served: Served) -> None:
        task = asyncio.get_running_loop().create_task(self._retire(served))
        self._retiring.add(task)
        task.add_done_callback(self._retired)

    def _retired(self, task: asyncio.Task[None]) -> None:
        self._retiring.discard(task)
        _thaw()

    async def _retire(self, served: Served) -> None:
        self._leaving.add(served)
        await served.drain(self._settings.drain_timeout)
        self._leaving.discard(served)
        key = (served.name, served.version)
        if key not in self._routes:
            self._metrics.remove(*key)
        log.info("model is unloaded", extra={"model": served.name, "version": served.version})


def _gauges(served: Served) -> tuple[Callable[[], int], Callable[[], int]]:
    """Rows that wait and requests inside. A gauge holds itself and what it reads, which must not keep a model alive."""
    reference = weakref.ref(served)

    def queued_rows() -> int:
        there = reference()
        return there.batcher.queued_rows if there else 0

    def inflight() -> int:
        there = reference()
        return there.inflight if there else 0

    return queued_rows, inflight


def _freeze() -> None:
    """A full collection over torch's and FastAPI's 190,000 objects takes 100 ms; frozen, they are not walked."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


def _thaw() -> None:
    """What was frozen with a model that has left would never be collected; this costs one full collection."""
    gc.unfreeze()
    _freeze()
