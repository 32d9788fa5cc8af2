"""One package to a warm model. It is built on a thread of its own, so that models in service go on computing."""

import asyncio

from modelyard_server.batching.worker import Worker
from modelyard_server.engines import registry
from modelyard_server.engines.model import LoadOptions, Model
from modelyard_server.errors import PackageError, StartupError
from modelyard_server.models.layout import Candidate
from modelyard_server.package import files
from modelyard_server.package.files import Package
from modelyard_server.settings import Settings

Loaded = tuple[Package, Model]


async def load(candidate: Candidate, settings: Settings, inference: Worker) -> Loaded:
    """Read and build, then warm up where it will compute: buffers and thread pools belong to a thread.

    Raises StartupError. A load that hangs keeps its own thread and nothing else.
    """
    builder = Worker(asyncio.get_running_loop(), lambda: None, name=f"load-{candidate.name}")
    try:
        async with asyncio.timeout(settings.load_timeout):
            package, model = await builder.call(lambda: _build(candidate, settings))
            await inference.call(lambda: registry.warm_up(model, package.card, settings.max_batch_rows))
    except TimeoutError as error:
        message = f"the model was not loaded within {settings.load_timeout:g} s; raise spec.server.loadTimeout"
        raise StartupError("LoadFailed", message) from error
    finally:
        builder.stop()
    return package, model


def _build(candidate: Candidate, settings: Settings) -> Loaded:
    try:
        package = files.read(candidate.root)
    except (PackageError, OSError) as error:
        raise StartupError("LoadFailed", str(error)) from error
    wanted = settings.model_format
    if wanted and wanted != package.card.format:
        message = f"model.yaml: format is {package.card.format!r}, spec.model.format asks for {wanted!r}"
        raise StartupError("LoadFailed", message)
    options = LoadOptions(settings.device, settings.threads, settings.unsafe_formats, settings.max_batch_rows)
    return package, registry.build(package, options)
