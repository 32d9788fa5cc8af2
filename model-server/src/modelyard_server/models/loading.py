"""One package to a warm model. It is built on a thread of its own, so that models in service go on computing."""

import asyncio
from typing import NamedTuple

from modelyard_server.batching.worker import Worker
from modelyard_server.engines import preparation, registry
from modelyard_server.engines.model import LoadOptions, Model
from modelyard_server.engines.preparation import Preparation
from modelyard_server.errors import PackageError, StartupError
from modelyard_server.models.layout import Candidate
from modelyard_server.package import files
from modelyard_server.package.files import Package
from modelyard_server.settings import Settings


class Loaded(NamedTuple):
    """A model that is ready to serve, and the decoding of its inputs where the card declares one."""

    package: Package
    model: Model
    prepare: Preparation | None


async def load(candidate: Candidate, settings: Settings, inference: Worker) -> Loaded:
    """Read and build, then warm up where it will compute: buffers and thread pools belong to a thread.

    Raises StartupError. A load that hangs keeps its own thread and nothing else.
    """
    builder = Worker(asyncio.get_running_loop(), lambda: None, name=f"load-{candidate.name}")
    try:
        async with asyncio.timeout(settings.load_timeout):
            loaded = await builder.call(lambda: _build(candidate, settings))
            card = loaded.package.card
            await inference.call(lambda: registry.warm_up(loaded.model, card, settings.max_batch_rows))
    except TimeoutError as error:
        message = f"the model was not loaded within {settings.load_timeout:g} s; raise spec.server.loadTimeout"
        raise StartupError("LoadFailed", message) from error
    finally:
        builder.stop()
    return loaded


def _build(candidate: Candidate, settings: Settings) -> Loaded:
    try:
        package = files.read(candidate.root)
    except (PackageError, OSError) as error:
        raise StartupError("LoadFailed", str(error)) from error
    wanted = settings.model_format
    if wanted and wanted != package.card.format:
        message = f"model.yaml: format is {package.card.format!r}, spec.model.format asks for {wanted!r}"
        raise StartupError("LoadFailed", message)
    options = LoadOptions(
        settings.device,
        settings.threads,
        settings.unsafe_formats,
        settings.max_batch_rows,
        precision=settings.precision,
        max_sequences=settings.max_sequences,
        max_context=settings.max_context,
        digest=settings.model_digest,
        optimise=settings.optimise,
    )
    return Loaded(package, registry.build(package, options), preparation.of(package))
