"""A model that generates text in service: its generator, with the figures of its own, and the queue in front."""

import weakref
from collections.abc import Callable

from modelyard_server.batching.worker import Worker
from modelyard_server.engines.model import Model
from modelyard_server.generation.generator import Generator
from modelyard_server.generation.limits import Limits
from modelyard_server.generation.model import Decoding
from modelyard_server.generation.rows import TextRows
from modelyard_server.metrics import Metrics
from modelyard_server.models.layout import Candidate
from modelyard_server.models.served import Served
from modelyard_server.package.files import Package
from modelyard_server.settings import Settings


def serve(
    candidate: Candidate, loaded: tuple[Package, Model], settings: Settings, shared: tuple[Worker, Metrics]
) -> Served:
    """One version of one model, ready for requests; `shared` is what all models of the process use."""
    (package, model), (worker, metrics) = loaded, shared
    assert isinstance(model, Decoding)  # noqa: S101 (who calls has looked)
    names = (candidate.name, candidate.version)
    limits = Limits(
        max_waiting=settings.max_waiting,
        max_step_tokens=max(settings.max_step_tokens, model.slots),
        queue_timeout=settings.queue_timeout,
        context=model.context,
    )
    figures = metrics.of_text(*names)
    generator = Generator(worker, model, limits, figures)
    figures.watch(*(_gauge(weakref.ref(generator), read) for read in (_running, _waiting, _usage)))
    queue = TextRows(generator, (package.card.inputs[0].name, package.card.outputs[0].name), settings.max_answer_tokens)
    served = Served(*names, loaded, queue, metrics.of(*names))
    served.generator = generator
    return served


def _running(generator: Generator) -> float:
    return generator.running


def _waiting(generator: Generator) -> float:
    return generator.waiting


def _usage(generator: Generator) -> float:
    return generator.cache_usage


def _gauge(generator: weakref.ref[Generator], read: Callable[[Generator], float]) -> Callable[[], float]:
    """Read at scrape time; a gauge must not keep a model alive."""

    def value() -> float:
        there = generator()
        return read(there) if there else 0.0

    return value
