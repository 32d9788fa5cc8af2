"""The pod template of a revision; it satisfies the Pod Security Standard *restricted*."""

import msgspec

from modelyard_operator import gpu
from modelyard_operator.api.model_deployment import ModelDeployment, TopologySpread
from modelyard_operator.api.names import LABEL_KUEUE_QUEUE, LABEL_REVISION, model_labels
from modelyard_operator.revision import Resolved

from . import Manifest
from .claim_template import pod_claims
from .fetch import fetch_container, fetch_volumes
from .merge import merged
from .server import grace_period, server_container
from .upstream_key import key_volumes

USER = 10001


def pod_template(parent: ModelDeployment, resolved: Resolved) -> Manifest:
    """Labels and spec of the pods, with the user's podTemplate merged last."""
    name, scheduling = parent.metadata.name, resolved.scheduling
    labels = selector_labels(name, resolved.name)
    if scheduling.queue_name:
        labels = labels | {LABEL_KUEUE_QUEUE: scheduling.queue_name}
    template: Manifest = {
        "metadata": {"labels": labels},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "terminationGracePeriodSeconds": grace_period(resolved),
            "initContainers": [fetch_container(resolved)],
            "containers": [server_container(resolved, name)],
            "volumes": _volumes(resolved),
            **pod_claims(name, resolved),
            **_placement(name, resolved),
        },
    }
    if resolved.pod_template:
        template = merged(template, resolved.pod_template)
        template = merged(template, {"metadata": {"labels": labels}})
    return template


def selector_labels(model: str, revision: str) -> dict[str, str]:
    """Labels that tell the pods of one revision from all others."""
    return model_labels(model) | {LABEL_REVISION: revision}


def _volumes(resolved: Resolved) -> list[Manifest]:
    volumes: list[Manifest] = [{"name": "model", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    if resolved.gpu:
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}})
    return volumes + fetch_volumes(resolved) + key_volumes(resolved)


def _placement(model: str, resolved: Resolved) -> Manifest:
    scheduling, request = resolved.scheduling, resolved.gpu
    selector = dict(scheduling.node_selector)
    tolerations = list(scheduling.tolerations)
    placement: Manifest = {"topologySpreadConstraints": _spread(model, resolved)}
    if request:
        selector = request.node_selector | selector
        tolerations = [*request.tolerations, *tolerations]
        if affinity := gpu.affinity(request):
            placement["affinity"] = affinity
    if selector:
        placement["nodeSelector"] = selector
    if tolerations:
        placement["tolerations"] = [
            {key: value for key, value in msgspec.to_builtins(one).items() if value is not None} for one in tolerations
        ]
    if scheduling.priority_class_name:
        placement["priorityClassName"] = scheduling.priority_class_name
    if scheduling.scheduler_name:
        placement["schedulerName"] = scheduling.scheduler_name
    return placement


def _spread(model: str, resolved: Resolved) -> list[Manifest]:
    wanted = resolved.scheduling.topology_spread or [TopologySpread(topology_key="kubernetes.io/hostname")]
    return [
        {
            "topologyKey": one.topology_key,
            "maxSkew": one.max_skew,
            "whenUnsatisfiable": one.when_unsatisfiable,
            "labelSelector": {"matchLabels": selector_labels(model, resolved.name)},
        }
        for one in wanted
    ]
