"""GPU request + profile + cluster -> how a pod asks for GPUs: an extended resource, or a claim (DRA). Pure.

The extended resource is what every cluster understands, so it is taken wherever it can say what is asked for: a count,
a MIG profile, time-sliced shares; memory and product through node labels. A claim is taken for what only a claim can
say, and where nodes have no such labels but a DeviceClass is there.
"""

from collections.abc import Collection, Sequence

from msgspec import Struct

from .api.accelerator_profile import AcceleratorProfileSpec
from .api.gpus import Gpu, GpuAlternative
from .api.model_deployment import Toleration
from .api.objects import Node
from .api.scalars import parse_quantity
from .device_claims import DeviceClaim, device_claim, missing
from .reasons import Reason, Unresolved

RESOURCE_BY_VENDOR = {
    "nvidia": "nvidia.com/gpu",
    "amd": "amd.com/gpu",
    "intel": "gpu.intel.com/xe",
    "google": "google.com/tpu",
}
MIG_RESOURCE = "nvidia.com/mig-"
SHARED_SUFFIX = ".shared"
PRODUCT_LABEL = "nvidia.com/gpu.product"
MEMORY_LABEL = "nvidia.com/gpu.memory"


class GpuRequest(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """GPUs as a pod asks for them: integers of an extended resource on nodes with certain labels, or a claim.

    The order of the fields is part of the names of revisions.
    """

    resource_name: str = ""
    count: int
    products: list[str] = []
    memory_mib: int = 0
    node_selector: dict[str, str] = {}
    tolerations: list[Toleration] = []
    claim: DeviceClaim | None = None

    def __str__(self) -> str:
        if self.claim is None:
            return f"{self.count} {self.resource_name}"
        if self.claim.template:
            return f"ResourceClaimTemplate {self.claim.template}"
        return f"{self.count} {' or '.join(self.claim.classes())}"

    @property
    def mechanism(self) -> str:
        """How the GPUs are asked for, as `gpu.allocation` calls it."""
        return "ExtendedResource" if self.claim is None else "DRA"


def resolve(
    gpu: Gpu,
    profile: AcceleratorProfileSpec | None,
    nodes: Sequence[Node],
    device_classes: Collection[str] | None = None,
) -> GpuRequest | Unresolved:
    """The request of one replica, or why there is no way to ask for it.

    `device_classes` is None where the API server does not serve resource.k8s.io/v1.
    """
    asked = _asked(gpu, profile)
    tolerations = profile.tolerations if profile else []
    selector = profile.node_selector if profile else {}
    only_claim = _only_by_claim(asked)
    if contradiction := _contradiction(asked, only_claim=only_claim):
        return Unresolved(Reason.INVALID_SPEC, contradiction)
    extended = _extended(asked, nodes, selector, tolerations)
    unlabelled = [] if asked.allocation == "ExtendedResource" else _unlabelled(asked, nodes)
    if asked.allocation != "DRA" and not only_claim and not unlabelled:
        return extended
    claim = _claim(asked)
    if lack := missing(claim, device_classes):
        return Unresolved(Reason.NO_GPU_MECHANISM, _no_mechanism(asked, lack, unlabelled, only_claim=only_claim))
    taint = Toleration(key=RESOURCE_BY_VENDOR[asked.vendor or "nvidia"], operator="Exists", effect="NoSchedule")
    return GpuRequest(count=gpu.count, node_selector=selector, tolerations=[taint, *tolerations], claim=claim)


def _asked(gpu: Gpu, profile: AcceleratorProfileSpec | None) -> Gpu:
    """What is asked for, whoever says it."""
    if profile is None:
        return gpu
    return Gpu(
        count=gpu.count,
        allocation=gpu.allocation,
        vendor=profile.vendor,
        product=profile.product,
        memory=profile.memory,
        mig=profile.mig,
        shares=profile.shares,
        resource_name=profile.resource_name,
        device_class_name=profile.device_class_name,
    )


def _only_by_claim(asked: Gpu) -> bool:
    return bool(asked.device_class_name or asked.selectors or asked.alternatives or asked.resource_claim_template_name)


def _contradiction(asked: Gpu, *, only_claim: bool) -> str:
    """What the rules of the CRD cannot see, since half of it is in the profile."""
    if asked.allocation == "ExtendedResource" and only_claim:
        return (
            "spec.gpu.allocation: deviceClassName, selectors, alternatives and resourceClaimTemplateName can only be "
            "asked for by a claim: set allocation to DRA or Auto"
        )
    if asked.allocation == "DRA" and (asked.resource_name or asked.shares):
        return "spec.gpu.allocation: a claim knows neither resourceName nor shares: set it to ExtendedResource or Auto"
    return ""


def _extended(
    asked: Gpu, nodes: Sequence[Node], selector: dict[str, str], tolerations: Sequence[Toleration]
) -> GpuRequest:
    """The extended resource, with node labels for product and memory.

    `product` names part of a product ("H100"); node labels hold whole ones, so the known labels are searched. A name
    that no node has is kept as it is: the pod then waits, and the scheduler says why.
    Labels: https://github.com/NVIDIA/k8s-device-plugin, GPU feature discovery; memory is in MiB.
    """
    whole = RESOURCE_BY_VENDOR[asked.vendor or "nvidia"]
    name = asked.resource_name or (f"{MIG_RESOURCE}{asked.mig}" if asked.mig else whole)
    if asked.shares:
        name += SHARED_SUFFIX
    # A node with parts of GPUs carries the taint of whole ones.
    taints = [name] if asked.resource_name else list(dict.fromkeys((name, whole)))
    return GpuRequest(
        resource_name=name,
        count=asked.count * (asked.shares or 1),
        products=_products(asked.product or [], nodes),
        memory_mib=_mebibytes(asked.memory),
        node_selector=selector,
        tolerations=[*(Toleration(key=key, operator="Exists", effect="NoSchedule") for key in taints), *tolerations],
    )


def _claim(asked: Gpu) -> DeviceClaim:
    if asked.resource_claim_template_name:
        return DeviceClaim(template=asked.resource_claim_template_name)
    only = GpuAlternative(
        device_class_name=asked.device_class_name,
        product=asked.product or [],
        memory=asked.memory,
        mig=asked.mig,
        selectors=asked.selectors,
    )
    return device_claim(asked.vendor or "nvidia", asked.alternatives or [only])


def _unlabelled(asked: Gpu, nodes: Sequence[Node]) -> list[str]:
    """Labels that are needed and that no node has, so an extended resource cannot say what is asked for."""
    needed = [PRODUCT_LABEL] * bool(asked.product) + [MEMORY_LABEL] * (asked.memory is not None)
    return [label for label in needed if not any(label in node.metadata.labels for node in nodes)]


def _no_mechanism(asked: Gpu, lack: str, unlabelled: Sequence[str], *, only_claim: bool) -> str:
    if only_claim or asked.allocation == "DRA":
        return f"spec.gpu can only be asked for by a claim, and {lack}: install the driver that brings it"
    return (
        f"spec.gpu: no node has the label {' or '.join(unlabelled)}, and {lack}: install GPU feature discovery or a "
        "DRA driver, or set gpu.allocation to ExtendedResource to wait for a node that has the label"
    )


def why(asked: Gpu, request: GpuRequest) -> str:
    """Why it is asked for this way, in one sentence that changes only with the spec."""
    if asked.allocation != "Auto":
        return f"gpu.allocation says {asked.allocation}."
    if request.claim is None:
        labels = "; node labels tell the rest" if request.products or request.memory_mib else ""
        return f"An extended resource can say what is asked for{labels}."
    if _only_by_claim(asked):
        return "Only a claim can say what is asked for."
    if asked.profile:
        return f"Here only a claim can say what AcceleratorProfile {asked.profile} asks for."
    return "No node had labels with product and memory, so a claim asks the devices themselves."


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
