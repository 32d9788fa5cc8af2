"""Metrics of models follow their status, and go with them."""

from typing import Literal

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from builders import model
from modelyard_operator.api.model_status import Condition, ModelDeploymentStatus
from modelyard_operator.gauges import ModelGauges


def status(ready: Literal["True", "False"], reason: str, replicas: int = 1) -> ModelDeploymentStatus:
    condition = Condition(
        type="Ready",
        status=ready,
        reason=reason,
        message="",
        observed_generation=1,
        last_transition_time="",
    )
    return ModelDeploymentStatus(ready_replicas=replicas, conditions=[condition])


@pytest.fixture
def gauges() -> ModelGauges:
    return ModelGauges()


@pytest.fixture
def registry(gauges: ModelGauges) -> CollectorRegistry:
    found = CollectorRegistry()
    found.register(gauges)
    return found


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, {"namespace": "team", **labels})


def test_what_is_no_longer_true_is_removed(gauges: ModelGauges, registry: CollectorRegistry) -> None:
    def condition(reason: str) -> float | None:
        return value(registry, "modelyard_model_condition", model="gauged", condition="Ready", reason=reason)

    parent = model("gauged", replicas=2)
    gauges.show(parent, status("False", "Loading", 0))
    assert condition("Loading") == 0
    assert value(registry, "modelyard_models", ready="false", reason="Loading") == 1
    gauges.show(parent, status("True", "Ready", 2))
    assert (condition("Loading"), condition("Ready")) == (None, 1)
    assert value(registry, "modelyard_models", ready="false", reason="Loading") is None
    assert value(registry, "modelyard_models", ready="true", reason="Ready") == 1
    assert value(registry, "modelyard_model_replicas", model="gauged", state="ready") == 2
    gauges.forget(("team", "gauged"))
    gauges.forget(("team", "gauged"))
    assert condition("Ready") is None
    assert value(registry, "modelyard_model_replicas", model="gauged", state="desired") is None


def test_models_of_one_reason_are_counted(gauges: ModelGauges, registry: CollectorRegistry) -> None:
    for name in ("a", "b"):
        gauges.show(model(name), status("False", "Loading"))
    other = msgspec.structs.replace(status("False", "Loading").conditions[0], type="Loaded")
    gauges.show(model("c"), ModelDeploymentStatus(conditions=[other]))
    assert value(registry, "modelyard_models", ready="false", reason="Loading") == 2
