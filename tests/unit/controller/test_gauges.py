"""Metrics of models follow their status, and go with them."""

from typing import Literal

from prometheus_client import REGISTRY

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


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"namespace": "team", **labels})


def condition(reason: str) -> float | None:
    return value("modelyard_model_condition", model="gauged", condition="Ready", reason=reason)


def test_what_is_no_longer_true_is_removed() -> None:
    gauges, parent = ModelGauges(), model("gauged", replicas=2)
    gauges.show(parent, status("False", "Loading", 0))
    assert condition("Loading") == 0
    assert value("modelyard_models", ready="false", reason="Loading") == 1
    gauges.show(parent, status("True", "Ready", 2))
    gauges.show(parent, status("True", "Ready", 2))
    assert (condition("Loading"), condition("Ready")) == (None, 1)
    assert value("modelyard_models", ready="false", reason="Loading") == 0
    assert value("modelyard_models", ready="true", reason="Ready") == 1
    assert value("modelyard_model_replicas", model="gauged", state="ready") == 2
    gauges.forget(("team", "gauged"))
    gauges.forget(("team", "gauged"))
    assert condition("Ready") is None
    assert value("modelyard_model_replicas", model="gauged", state="desired") is None
    assert value("modelyard_models", ready="true", reason="Ready") == 0
