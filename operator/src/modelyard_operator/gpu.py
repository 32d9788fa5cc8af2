"""GPU request + profile + nodes -> extended resource, node affinity and tolerations. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from .api.accelerator_profile import AcceleratorProfileSpec
from .api.model_deployment import Gpu, Toleration
from .api.objects import Node
from .api.scalars import parse_quantity

RESOURCE_BY_VENDOR = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu", "intel": "gpu.intel.com/xe"}
PRODUCT_LABEL = "nvidia.com/gpu.product"
MEMORY_LABEL = "nvidia.com/gpu.memory"
MECHANISM = "ExtendedResource"


class GpuRequest(Struct, frozen=True, rename="camel", omit_defaults=True):
    """GPUs as a pod asks for them: integers of an extended resource on nodes with certain labels."""

    resource_name: str
    count: int
    products: list[str] = []
    memory_mib: int = 0
    node_selector: dict[str, str] = {}
    tolerations: list[Toleration] = []

    def __str__(self) -> str:
        return f"{self.count} {self.resource_name}"


def resolve(gpu: Gpu, profile: AcceleratorProfileSpec | None, nodes: Sequence[Node]) -> GpuRequest:
    """The request of one replica.

    `product` names part of a product ("H100"); node labels hold whole ones, so the known labels are searched. A name
    that no node has is kept as it is: the pod then waits, and the scheduler says why.
    Labels: https://github.com/NVIDIA/k8s-device-plugin, GPU feature discovery; memory is in MiB.
    """
    asked = profile or AcceleratorProfileSpec(
        vendor=gpu.vendor or "nvidia", product=gpu.product or [], memory=gpu.memory, resource_name=gpu.resource_name
    )
    resource_name = asked.resource_name or RESOURCE_BY_VENDOR[asked.vendor]
    return GpuRequest(
        resource_name=resource_name,
        count=gpu.count,
        products=_products(asked.product, nodes),
        memory_mib=_mebibytes(asked.memory),
        node_selector=asked.node_selector,
        tolerations=[Toleration(key=resource_name, operator="Exists", effect="NoSchedule"), *asked.tolerations],
    )


def _products(asked: Sequence[str], nodes: Sequence[Node]) -> list[str]:
    known = {node.metadata.labels[PRODUCT_LABEL] for node in nodes if PRODUCT_LABEL in node.metadata.labels}
    found: set[str] = set()
    for product in asked:
        matches = {label for label in known if product.lower() in label.lower()}
        found |= matches or {product}
    return sorted(found)


def _mebibytes(memory: int | str | None) -> int:
    return 0 if memory is None else int(parse_quantity(memory) / 2**20)


def affinity(request: GpuRequest) -> dict[str, object] | None:
    """Node affinity for product and memory; None when any node with the resource will do."""
    expressions: list[dict[str, object]] = []
    if request.products:
        expressions.append({"key": PRODUCT_LABEL, "operator": "In", "values": request.products})
    if request.memory_mib:
        # Gt is the only integer comparison that node affinity has, so "at least n" is "more than n - 1".
        expressions.append({"key": MEMORY_LABEL, "operator": "Gt", "values": [str(request.memory_mib - 1)]})
    if not expressions:
        return None
    terms = [{"matchExpressions": expressions}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


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
