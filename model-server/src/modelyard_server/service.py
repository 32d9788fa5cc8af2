"""The served model: state, queue and worker in one place. Knows no HTTP; `web` and `serving` use it."""

import asyncio
import gc
import logging
import time

import msgspec

from modelyard_server.batching.batcher import Batcher, Limits, Receive
from modelyard_server.batching.execution import Arrays
from modelyard_server.batching.worker import Worker
from modelyard_server.engines import registry
from modelyard_server.engines.model import LoadOptions, Model
from modelyard_server.errors import NotReadyError, PackageError, StartupError
from modelyard_server.lifecycle import Lifecycle
from modelyard_server.metrics import Metrics
from modelyard_server.package import files
from modelyard_server.package.files import Package
from modelyard_server.protocol.signature import Signature
from modelyard_server.settings import Settings

log = logging.getLogger(__name__)


class Served(msgspec.Struct, frozen=True):
    """What is there once the model is loaded."""

    package: Package
    model: Model
    signature: Signature
    batcher: Batcher


class ModelService:
    """One model from start to drain."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lifecycle = Lifecycle()
        self.metrics = Metrics()
        self.name = settings.name
        self.served: Served | None = None
        self.inflight = 0
        self.last_request = time.monotonic()
        self._worker = Worker(asyncio.get_running_loop(), self.lifecycle.fail)
        self._watch_gauges()

    @property
    def live(self) -> bool:
        """False when the inference thread has died; the kubelet then restarts the container."""
        return self._worker.alive

    @property
    def version(self) -> str:
        """The package's version; empty while it loads."""
        return self.served.package.card.version if self.served else ""

    async def load(self) -> None:
        """Read, load and warm up on the worker thread; raises StartupError."""
        started = time.perf_counter()
        timeout = self.settings.load_timeout
        try:
            async with asyncio.timeout(timeout):
                package, model = await self._worker.call(self._load)
        except TimeoutError as error:
            self.lifecycle.fail()
            message = f"the model was not loaded within {timeout:g} s; raise spec.server.loadTimeout"
            raise StartupError("LoadFailed", message) from error
        except StartupError:
            self.lifecycle.fail()
            raise
        self._serve(package, model, time.perf_counter() - started)

    def _load(self) -> tuple[Package, Model]:
        settings = self.settings
        try:
            package = files.read(settings.model)
        except (PackageError, OSError) as error:
            raise StartupError("LoadFailed", str(error)) from error
        wanted = settings.model_format
        if wanted and wanted != package.card.format:
            message = f"model.yaml: format is {package.card.format!r}, spec.model.format asks for {wanted!r}"
            raise StartupError("LoadFailed", message)
        options = LoadOptions(settings.device, settings.threads, settings.unsafe_formats, settings.max_batch_rows)
        try:
            return package, registry.load(package, options)
        except StartupError:
            raise
        except Exception as error:
            raise StartupError("LoadFailed", f"{type(error).__name__}: {error}") from error

    def _serve(self, package: Package, model: Model, seconds: float) -> None:
        settings, card = self.settings, package.card
        limits = Limits(
            settings.max_batch_rows, settings.max_batch_delay, settings.max_queue_rows, settings.queue_timeout
        )
        batcher = Batcher(self._worker, model.predict, limits, self.metrics)
        self.name = settings.name or card.name
        self.served = Served(package, model, Signature(card.inputs, card.outputs), batcher)
        self.metrics.bind(self.name, card.version)
        self._watch_gauges()
        self.metrics.loaded(seconds, card.format, package.digest, model.device)
        self.metrics.watch_device(model.device_memory)
        # A full collection over torch's and FastAPI's 190,000 objects takes 100 ms; frozen, they are not walked.
        gc.collect()
        gc.freeze()
        self.lifecycle.loaded()
        fields = {"model": self.name, "version": card.version, "format": card.format, "digest": package.digest}
        log.info("model is ready", extra={**fields, "device": model.device, "seconds": round(seconds, 3)})

    def _watch_gauges(self) -> None:
        self.metrics.watch(self._queued_rows, lambda: self.inflight, lambda: self.lifecycle.ready)

    def _queued_rows(self) -> int:
        return self.served.batcher.queued_rows if self.served else 0

    def require_served(self) -> Served:
        """What is loaded; raises NotReadyError while it is not."""
        try:
            self.lifecycle.require_serving(self.name)
        except NotReadyError:
            self.metrics.rejected("failed" if self.served else "loading")
            raise
        if self.served is None:
            raise RuntimeError("a serving state without a model")
        return self.served

    async def infer(self, inputs: Arrays, rows: int, receive: Receive, longest: float | None) -> Arrays:
        """Queue one request and wait for its outputs; raises RequestError or ClientGoneError."""
        return await self.require_served().batcher.submit(inputs, rows, receive, longest)

    def close(self) -> None:
        """Refuse what waits and let the worker end."""
        self.lifecycle.drain()
        if self.served is not None:
            self.served.batcher.close()
        self._worker.stop()
        gc.unfreeze()  # native libraries complain at exit about objects that were never collected
