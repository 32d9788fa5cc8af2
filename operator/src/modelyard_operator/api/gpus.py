"""GPUs as a user asks for them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .scalars import ObjectName, Quantity, ResourceName

Vendor = Literal["nvidia", "amd", "intel", "google"]
Product = Annotated[str, Meta(min_length=1, max_length=63)]
MigProfile = Annotated[str, Meta(pattern=r"^[1-7]g\.[0-9]{1,3}gb(\.[a-z0-9.]{1,16})?$", max_length=32)]
Selector = Annotated[str, Meta(min_length=1, max_length=2048)]


class GpuAlternative(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One kind of device that will do, with DRA."""

    device_class_name: Annotated[
        ObjectName | None, Meta(description="DeviceClass; the vendor's, or its class of MIG slices, when absent.")
    ] = None
    product: Annotated[
        list[Product], Meta(max_length=8, description="Any of these products, part of the name, in any case.")
    ] = []
    memory: Annotated[Quantity | None, Meta(description="Least memory of one device.")] = None
    mig: Annotated[MigProfile | None, Meta(description="MIG slice of this profile, for example 3g.40gb.")] = None
    selectors: Annotated[list[Selector], Meta(max_length=4, description="More CEL expressions, all to be true.")] = []


class Gpu(Struct, frozen=True, rename="camel", omit_defaults=True):
    """GPUs of each replica. Omit it for a model that runs on CPU."""

    count: Annotated[int, Meta(ge=1, le=64, description="GPUs per replica.")] = 1
    vendor: Annotated[
        Vendor | None,
        Meta(description="Whose GPUs: sets the extended resource and the DeviceClass. nvidia when absent."),
    ] = None
    product: Annotated[
        Annotated[list[Product], Meta(max_length=16)] | None,
        Meta(
            description="Any of these products: part of the node label nvidia.com/gpu.product, or of the device's "
            "productName with DRA, in any case."
        ),
    ] = None
    memory: Annotated[
        Quantity | None,
        Meta(
            description="Least memory of one GPU, compared with the node label nvidia.com/gpu.memory (MiB), or with "
            "the device's capacity with DRA."
        ),
    ] = None
    mig: Annotated[
        MigProfile | None, Meta(description="Slices of this MIG profile instead of whole GPUs, for example 3g.40gb.")
    ] = None
    shares: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Meta(
            description="Time-sliced shares instead of a whole GPU: asks for so many of the resource with the suffix "
            ".shared."
        ),
    ] = None
    profile: Annotated[ObjectName | None, Meta(description="An AcceleratorProfile, instead of the fields here.")] = None
    resource_name: Annotated[
        ResourceName | None, Meta(description="Any extended resource, for example example.org/npu.")
    ] = None
    allocation: Annotated[
        Literal["Auto", "ExtendedResource", "DRA"],
        Meta(
            description="How GPUs are asked for: as an extended resource, or by a ResourceClaim (DRA). Auto takes the "
            "extended resource where it can say what is asked for."
        ),
    ] = "Auto"
    device_class_name: Annotated[
        ObjectName | None, Meta(description="DeviceClass, with DRA; the vendor's when absent.")
    ] = None
    selectors: Annotated[
        list[Selector],
        Meta(
            max_length=8,
            description="CEL expressions over `device`, with DRA; all must be true. An attribute that a "
            "device lacks is an error that stops allocation: ask with `in` first.",
        ),
    ] = []
    alternatives: Annotated[
        list[GpuAlternative],
        Meta(max_length=8, description="Kinds of devices in the order of preference, with DRA (firstAvailable)."),
    ] = []
    resource_claim_template_name: Annotated[
        ObjectName | None, Meta(description="Your own ResourceClaimTemplate of this namespace, with DRA.")
    ] = None
