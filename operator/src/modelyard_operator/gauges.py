"""Gauges of each model, kept exact: what a status does not say any more is removed, and only that."""

from prometheus_client import Gauge

from . import metrics
from .api.model_deployment import ModelDeployment
from .api.model_status import ModelDeploymentStatus
from .cache import Key

Sample = tuple[Gauge, tuple[str, ...]]


class ModelGauges:
    """Remembers the labels of each model: prometheus_client finds them only by looking at all models."""

    def __init__(self) -> None:
        self._samples: dict[Key, dict[Sample, float]] = {}
        self._counted: dict[Key, tuple[str, str]] = {}

    def show(self, model: ModelDeployment, status: ModelDeploymentStatus) -> None:
        """Publish what a status says."""
        namespace, name = key = (model.metadata.namespace, model.metadata.name)
        samples: dict[Sample, float] = {
            (metrics.MODEL_REPLICAS, (namespace, name, "desired")): model.spec.replicas,
            (metrics.MODEL_REPLICAS, (namespace, name, "ready")): status.ready_replicas,
        }
        for one in status.conditions:
            samples[metrics.MODEL_CONDITION, (namespace, name, one.type, one.reason)] = one.status == "True"
        ready = next(one for one in status.conditions if one.type == "Ready")
        self._count(key, ("true" if ready.status == "True" else "false", ready.reason))
        self._replace(key, samples)

    def forget(self, key: Key) -> None:
        """Remove a model that is gone."""
        self._count(key, None)
        self._replace(key, {})

    def _replace(self, key: Key, samples: dict[Sample, float]) -> None:
        before = self._samples.pop(key, {})
        for gauge, labels in before.keys() - samples.keys():
            gauge.remove(*labels)
        for (gauge, labels), value in samples.items():
            if before.get((gauge, labels)) != value:
                gauge.labels(*labels).set(value)
        if samples:
            self._samples[key] = samples

    def _count(self, key: Key, labels: tuple[str, str] | None) -> None:
        before = self._counted.pop(key, None)
        if labels is not None:
            self._counted[key] = labels
        if before == labels:
            return
        if before is not None:
            metrics.MODELS.labels(key[0], *before).dec()
        if labels is not None:
            metrics.MODELS.labels(key[0], *labels).inc()
