"""Advertised accelerators: the node says it has GPUs, so that scheduling of models can be tried without any.

Capacity is what a device plugin would report; the labels are what GPU feature discovery would set.
A kubelet that starts sets unknown resources to 0, so this runs again after each of its starts.
"""

from __future__ import annotations

from . import layout
from .api import ApiClient, JsonObject

RESOURCE = "nvidia.com/gpu"
LABELS = {
    "nvidia.com/gpu.present": "true",
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    "nvidia.com/gpu.memory": "81559",
    "nvidia.com/gpu.count": str(layout.GPUS),
}
NODE_PATH = f"/api/v1/nodes/{layout.NODE}"


def advertised(node: JsonObject) -> int:
    """Return how many GPUs a node's status allows to use."""
    return int(node.get("status", {}).get("allocatable", {}).get(RESOURCE, "0"))


def is_advertised(node: JsonObject) -> bool:
    """Return whether both the capacity and all labels are in place."""
    labels = node["metadata"].get("labels", {})
    return advertised(node) == layout.GPUS and LABELS.items() <= labels.items()


def ensure(client: ApiClient) -> str:
    """Set labels and capacity unless they are there."""
    if is_advertised(client.request("GET", NODE_PATH)):
        return ""
    count = {RESOURCE: str(layout.GPUS)}
    client.merge(NODE_PATH, {"metadata": {"labels": LABELS}})
    client.merge(f"{NODE_PATH}/status", {"status": {"capacity": count, "allocatable": count}})
    return f"{layout.GPUS} advertised as {LABELS['nvidia.com/gpu.product']}"
