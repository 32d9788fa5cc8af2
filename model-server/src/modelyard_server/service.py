"""The process's models, state and inference thread in one place. Knows no HTTP; `web`, `rpc` and `serving` use it."""

import asyncio
import gc
import logging
from collections.abc import Mapping

from modelyard_server.batching.worker import Worker
from modelyard_server.errors import BadRequestError, NotReadyError, StartupError, UnsupportedError
from modelyard_server.explain.explainer import Explainer
from modelyard_server.keys import Keys
from modelyard_server.lifecycle import Lifecycle
from modelyard_server.metrics import Metrics
from modelyard_server.models import layout
from modelyard_server.models.layout import Candidate
from modelyard_server.models.repository import Repository
from modelyard_server.pauses import GcPauses
from modelyard_server.settings import Settings
from modelyard_server.tracing import Tracing

log = logging.getLogger(__name__)


class ModelService:
    """All models of the process from start to drain."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lifecycle = Lifecycle()
        self.metrics = Metrics()
        self.keys = None if settings.api_key_file is None else Keys(settings.api_key_file)
        self.tracing = Tracing() if settings.tracing == "otlp" else None
        self._pauses = GcPauses(self.metrics.gc_pause.observe)
        self._pauses.start()
        self._worker = Worker(asyncio.get_running_loop(), self.lifecycle.fail)
        self.models = Repository(settings, self._worker, self.metrics)
        self.explainer = Explainer()
        self._asked: frozenset[str] = frozenset()

    @property
    def live(self) -> bool:
        """False when the inference thread has died; the kubelet then restarts the container."""
        return self._worker.alive

    @property
    def ready(self) -> bool:
        """Are all models that were asked for at the start in service, but for those that were unloaded since?"""
        return self.lifecycle.ready and all(self.models.is_ready(name) for name in self._asked)

    def model_ready(self, name: str, version: str = "") -> bool:
        """Does a model, or one of its versions, take requests? Raises NotFoundError."""
        return self.models.is_ready(name, version) and not self.lifecycle.ending

    def called(self, name: str) -> str:
        """The name of the model that clients of OpenAI call so: its own, or that of the one model with this alias."""
        names = self.models.names() if name in self.settings.aliases else []
        return names[0] if len(names) == 1 else name

    @property
    def inflight(self) -> int:
        """Requests inside the server."""
        return sum(served.inflight for served in self.models.all_served())

    @property
    def last_request(self) -> float:
        """When the last inference request was answered (monotonic); 0 without any."""
        return max((served.last_request for served in self.models.all_served()), default=0.0)

    async def load(self) -> None:
        """Load what is asked for; raises StartupError when nobody could load later what does not load now."""
        try:
            found = await self._asked_for()
            single = self.settings.repository is None
            names = next(((one.name, one.version) for (one, *_) in found.values()), ("", "")) if single else ("", "")
            self.metrics.watch_process(names, self._device_memory)
            for name in found:
                await self._load(name)
        except StartupError:
            self.lifecycle.fail()
            raise
        self.lifecycle.loaded()

    async def _asked_for(self) -> Mapping[str, tuple[Candidate, ...]]:
        settings = self.settings
        found = await self.models.scan()
        names = found if settings.load_models is None else settings.load_models
        if missing := set(names) - set(found):
            message = f"{settings.repository}: holds no model {', '.join(sorted(missing))}"
            raise StartupError("LoadFailed", f"{message}; it holds {', '.join(sorted(found)) or 'none'}")
        if not names and settings.model_control == "none":
            raise StartupError(
                "LoadFailed", f"{settings.repository}: holds no package; expected NAME/VERSION/model.yaml"
            )
        asked = {name: found[name] for name in names}
        self._asked = frozenset(asked)
        for candidates in asked.values():
            self.models.expect(layout.wanted(candidates, settings.version_policy))
        return asked

    async def _load(self, name: str) -> None:
        try:
            await self.models.load(name)
        except StartupError as error:
            if self.settings.repository is None:
                raise
            if self.settings.model_control == "none":
                raise StartupError(error.reason, f"model {name!r}: {error}") from error
            log.error("%s", error, extra={"model": name, "reason": error.reason})  # noqa: TRY400 (it says it all)

    async def load_for_client(self, name: str) -> None:
        """Load or replace a model, as the repository extension asks; raises RequestError."""
        self._require_control()
        try:
            await self.models.load(name)
        except StartupError as error:
            raise BadRequestError(f"model {name!r} was not loaded: {error}") from error

    async def unload_for_client(self, name: str) -> None:
        """Take a model out of service; readiness no longer asks for it. Raises RequestError."""
        self._require_control()
        self._asked -= {name}
        await self.models.unload(name)

    def _require_control(self) -> None:
        if self.settings.model_control != "explicit":
            raise UnsupportedError("models are not loaded and unloaded here; the server needs --model-control explicit")
        if self.lifecycle.ending:
            raise NotReadyError("the server is shutting down")

    def _device_memory(self) -> Mapping[str, int]:
        """Of the device that they share: every model on it gives the same figures."""
        found = (served.model.device_memory() for served in self.models.all_served())
        return next((memory for memory in found if memory), {})

    def close(self) -> None:
        """Refuse what waits and let the worker end."""
        self.lifecycle.drain()
        self.models.close("the server is shutting down")
        self._worker.stop()
        self._pauses.stop()
        if self.tracing is not None:
            self.tracing.close()
        gc.unfreeze()  # native libraries complain at exit about objects that were never collected
