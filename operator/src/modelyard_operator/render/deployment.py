"""The Deployment of one revision."""

import math

from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.names import LABEL_INTENT, LABEL_KUEUE_QUEUE, LABEL_REVISION
from modelyard_operator.api.scalars import parse_duration
from modelyard_operator.revision import Resolved

from . import Manifest
from .metadata import child_metadata, stamp
from .pod import pod_template, selector_labels

# Beyond loading: time to schedule, to pull an image of several GB and to fetch the model.
PULL_ALLOWANCE = 600


def deployment_name(model: str, revision: str) -> str:
    """Name of a revision's Deployment and ControllerRevision."""
    return f"{model}-{revision}"


def deployment(parent: ModelDeployment, resolved: Resolved, replicas: int) -> Manifest:
    """The Deployment. Its template never changes, so its own strategy matters only when a node is lost."""
    model, revision = parent.metadata.name, resolved.name
    labels = {LABEL_REVISION: revision, LABEL_INTENT: resolved.intent}
    if resolved.scheduling.queue_name:
        labels[LABEL_KUEUE_QUEUE] = resolved.scheduling.queue_name
    surge = 0 if resolved.gpu else 1
    return stamp(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": child_metadata(parent, deployment_name(model, revision), labels),
            "spec": {
                "replicas": replicas,
                "revisionHistoryLimit": 0,
                "progressDeadlineSeconds": progress_deadline(parent),
                "strategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxSurge": surge, "maxUnavailable": 1 - surge},
                },
                "selector": {"matchLabels": selector_labels(model, revision)},
                "template": resolved.rendered or pod_template(parent, resolved),
            },
        }
    )


def progress_deadline(parent: ModelDeployment) -> int:
    """Seconds without progress after which a revision is called stuck; longer than pull and load together."""
    wanted = parent.spec.rollout.progress_deadline
    if wanted is not None:
        return math.ceil(parse_duration(wanted))
    return math.ceil(parse_duration(parent.spec.server.load_timeout)) + PULL_ALLOWANCE
