"""The PodDisruptionBudget of a model with two replicas or more; at one replica it would block every node drain."""

from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.names import model_labels

from . import Manifest
from .metadata import child_metadata, stamp


def disruption_budget(parent: ModelDeployment) -> Manifest | None:
    """The budget, or None below two replicas."""
    if parent.spec.replicas < 2:
        return None
    return stamp(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": child_metadata(parent, parent.metadata.name),
            "spec": {
                "maxUnavailable": 1,
                # A model that crashes anyway must not keep a node from being drained.
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": model_labels(parent.metadata.name)},
            },
        }
    )
