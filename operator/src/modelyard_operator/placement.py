"""Where pods may go, and why they do not: nodes against what was asked for. Pure."""

from collections.abc import Sequence

from .api.objects import Node
from .api.scalars import parse_quantity
from .gpu import MEMORY_LABEL, PRODUCT_LABEL, GpuRequest


def shortage(request: GpuRequest, nodes: Sequence[Node]) -> str:
    """How many nodes could ever serve the request, in numbers."""
    with_resource = [node for node in nodes if _allocatable(node, request.resource_name) > 0]
    fitting = [node for node in with_resource if _fits(node, request)]
    total = sum(_allocatable(node, request.resource_name) for node in fitting)
    text = f"{len(fitting)} of {len(nodes)} nodes could serve it, with {total} {request.resource_name} in all"
    lacking = [node for node in with_resource if node not in fitting]
    if lacking:
        wanted = [*request.products, *([f"{request.memory_mib} MiB"] if request.memory_mib else [])]
        text += f"; {len(lacking)} have other GPUs than {' or '.join(wanted) or 'asked for'}"
    return text


def _label_mebibytes(label: str) -> int:
    """Labels are written by others; one that is no number offers no memory, as to the scheduler."""
    return int(label) if label.isdigit() else 0


def _allocatable(node: Node, resource_name: str) -> int:
    return int(parse_quantity(node.status.allocatable.get(resource_name, "0")))


def _fits(node: Node, request: GpuRequest) -> bool:
    labels = node.metadata.labels
    return (
        (not request.products or labels.get(PRODUCT_LABEL) in request.products)
        and _label_mebibytes(labels.get(MEMORY_LABEL, "")) >= request.memory_mib
        and all(labels.get(key) == value for key, value in request.node_selector.items())
        and _allocatable(node, request.resource_name) >= request.count
    )
