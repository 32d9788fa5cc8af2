"""Gauges of all models, made when somebody asks for them: between scrapes a model costs a tuple and no series."""

import sys
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client import Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from . import metrics
from .api.model_deployment import ModelDeployment
from .api.model_status import ModelDeploymentStatus
from .cache import Key

Verdict = tuple[str, str, bool]  # condition, reason, whether it is True


class Shown(NamedTuple):
    """What is told of one model."""

    desired: int
    ready: int
    verdicts: tuple[Verdict, ...]


class ModelGauges(Collector):
    """What the statuses of all models say, as metrics."""

    def __init__(self) -> None:
        self._models: dict[Key, Shown] = {}
        # Thousands of models share a few dozen sets of conditions.
        self._known: dict[tuple[Verdict, ...], tuple[Verdict, ...]] = {}

    def show(self, model: ModelDeployment, status: ModelDeploymentStatus) -> None:
        """Publish what a status says."""
        verdicts = tuple(
            (sys.intern(one.type), sys.intern(one.reason), one.status == "True") for one in status.conditions
        )
        self._models[model.metadata.namespace, model.metadata.name] = Shown(
            model.spec.replicas, status.ready_replicas, self._known.setdefault(verdicts, verdicts)
        )

    def forget(self, key: Key) -> None:
        """Remove a model that is gone."""
        self._models.pop(key, None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All gauges of all models."""
        counted: Counter[tuple[str, str, str]] = Counter()
        replicas, conditions = _family(metrics.MODEL_REPLICAS), _family(metrics.MODEL_CONDITION)
        for (namespace, name), shown in self._models.items():
            replicas.add_metric([namespace, name, "desired"], shown.desired)
            replicas.add_metric([namespace, name, "ready"], shown.ready)
            for kind, reason, true in shown.verdicts:
                conditions.add_metric([namespace, name, kind, reason], true)
                if kind == "Ready":
                    counted[namespace, str(true).lower(), reason] += 1
        models = _family(metrics.MODELS)
        for labels, number in counted.items():
            models.add_metric(labels, number)
        yield from (models, replicas, conditions)


def _family(gauge: Gauge) -> GaugeMetricFamily:
    described = next(iter(gauge.describe()))
    return GaugeMetricFamily(described.name, described.documentation, labels=gauge._labelnames)  # noqa: SLF001
