"""AcceleratorProfile: a kind of GPU that the platform team offers by name."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .model_deployment import Toleration
from .objects import ObjectMeta
from .scalars import LabelMap, Price, Quantity, ResourceName


class AcceleratorProfileSpec(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Which GPUs, on which nodes, at what price."""

    vendor: Annotated[Literal["nvidia", "amd", "intel"], Meta(description="Whose GPUs.")] = "nvidia"
    product: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=63)]],
        Meta(max_length=16, description="Any of these products; part of the node label nvidia.com/gpu.product."),
    ] = []
    memory: Annotated[Quantity | None, Meta(description="Least memory of one GPU.")] = None
    resource_name: Annotated[ResourceName | None, Meta(description="Extended resource; by vendor when absent.")] = None
    node_selector: Annotated[LabelMap, Meta(description="Labels of the nodes that have these GPUs.")] = {}
    tolerations: Annotated[list[Toleration], Meta(max_length=32, description="Taints of these nodes.")] = []
    price_per_hour: Annotated[
        Price | None,
        Meta(description="Price of one GPU for one hour, in the currency that the platform team uses."),
    ] = None


class AcceleratorProfile(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A kind of GPU that models may name."""

    metadata: ObjectMeta
    spec: AcceleratorProfileSpec
