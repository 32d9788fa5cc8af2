"""AcceleratorProfile: a kind of GPU that the platform team offers by name."""

from typing import Annotated

from msgspec import Meta, Struct

from .gpus import MigProfile, Product, Vendor
from .model_deployment import Toleration
from .objects import ObjectMeta
from .scalars import LabelMap, ObjectName, Price, Quantity, ResourceName


class AcceleratorProfileSpec(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Which GPUs, on which nodes, at what price."""

    vendor: Annotated[Vendor, Meta(description="Whose GPUs.")] = "nvidia"
    product: Annotated[
        list[Product],
        Meta(max_length=16, description="Any of these products; part of the node label nvidia.com/gpu.product."),
    ] = []
    memory: Annotated[Quantity | None, Meta(description="Least memory of one GPU.")] = None
    resource_name: Annotated[ResourceName | None, Meta(description="Extended resource; by vendor when absent.")] = None
    mig: Annotated[MigProfile | None, Meta(description="Slices of this MIG profile, for example 3g.40gb.")] = None
    shares: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Meta(description="Time-sliced shares for each GPU that a model counts: the resource with the suffix .shared."),
    ] = None
    device_class_name: Annotated[
        ObjectName | None, Meta(description="DeviceClass: the GPUs are asked for by a ResourceClaim (DRA).")
    ] = None
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
