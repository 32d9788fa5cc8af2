"""What tests of decisions share: a model as the caches hold it, and what is decided for it."""

from typing import Any

from builders import DEFAULTS, catalog, live, pod
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.decide import Decision, decide
from modelyard_operator.observed import Observed
from modelyard_operator.render.controller_revision import controller_revision
from modelyard_operator.render.deployment import deployment
from modelyard_operator.render.disruption_budget import disruption_budget
from modelyard_operator.render.service import service
from modelyard_operator.revision import Resolved, resolve


def revision(parent: ModelDeployment, *objects: Any) -> Resolved:
    """The revision that a spec asks for."""
    found = resolve(parent, catalog(*objects), DEFAULTS)
    assert isinstance(found, Resolved)
    return found


def settled(parent: ModelDeployment, **over: Any) -> Observed:
    """What the caches hold once everything is applied and every replica is ready."""
    asked = revision(parent)
    count = parent.spec.replicas
    base: dict[str, Any] = {
        "deployments": [live(deployment(parent, asked, count), status={"readyReplicas": count})],
        "services": [live(service(parent))],
        "history": [live(controller_revision(parent, asked, 1))],
        "pods": [pod(asked.name, f"pod-{number}", ready=True) for number in range(count)],
        "budgets": [live(one) for one in [disruption_budget(parent)] if one],
    }
    return Observed(**(base | over))


def applied(decision: Decision) -> list[tuple[str, str]]:
    """Kind and name of what is to be applied, in order."""
    return [(one["kind"], one["metadata"]["name"]) for one in decision.apply]


def decided(parent: ModelDeployment, observed: Observed, *objects: Any) -> Decision:
    """The decision with a catalogue of these objects."""
    return decide(parent, observed, catalog(*objects), DEFAULTS)
