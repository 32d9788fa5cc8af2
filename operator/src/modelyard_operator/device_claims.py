"""What is asked of devices, said so that dynamic resource allocation (DRA) understands it. Pure.

Selectors name no driver: `device.attributes[device.driver]` holds what the device's own driver publishes, so the same
expression serves gpu.nvidia.com, gpu.amd.com and gpu.intel.com. An attribute that a device lacks is a CEL runtime
error that stops the allocation of the whole claim, so each is asked for with `in` first.
Source: k8s.io/dynamic-resource-allocation/cel, and the devices that the drivers publish.
"""

from collections.abc import Collection, Sequence

import msgspec
from msgspec import Struct

from .api.gpus import GpuAlternative
from .api.scalars import parse_quantity

CLASS_BY_VENDOR = {
    "nvidia": "gpu.nvidia.com",
    "amd": "gpu.amd.com",
    "intel": "gpu.intel.com",
    "google": "tpu.google.com",
}
MIG_CLASS = "mig.nvidia.com"
# Where drivers publish the name of a product: NVIDIA and AMD in the first, Intel in the second.
PRODUCT_ATTRIBUTES = ("productName", "model")
OWN = "device.attributes[device.driver]"
CAPACITY = "device.capacity[device.driver]"


class DeviceOption(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One kind of device that will do: a DeviceClass, and CEL expressions that must all be true."""

    device_class: str
    selectors: list[str] = []


class DeviceClaim(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The claim of one replica: the first option that is free, or whatever the user's own template says."""

    options: list[DeviceOption] = []
    template: str = ""

    def classes(self) -> list[str]:
        """DeviceClasses in the order of preference, each once."""
        return list(dict.fromkeys(one.device_class for one in self.options))


def device_claim(vendor: str, kinds: Sequence[GpuAlternative]) -> DeviceClaim:
    """A claim for the first of these kinds that is free."""
    return DeviceClaim(options=[_option(vendor, kind) for kind in kinds])


def _option(vendor: str, kind: GpuAlternative) -> DeviceOption:
    by_vendor = MIG_CLASS if kind.mig else CLASS_BY_VENDOR[vendor]
    selectors = [*kind.selectors]
    if kind.product:
        selectors.append(_any_product(kind.product))
    if kind.memory is not None:
        least = _quoted(str(int(parse_quantity(kind.memory))))
        selectors.append(f"'memory' in {CAPACITY} && {CAPACITY}.memory.compareTo(quantity({least})) >= 0")
    if kind.mig:
        selectors.append(f"'profile' in {OWN} && {OWN}.profile == {_quoted(kind.mig)}")
    return DeviceOption(device_class=kind.device_class_name or by_vendor, selectors=selectors)


def _any_product(products: Sequence[str]) -> str:
    """Whether the device is called like one of these, in any case and as part of its name."""
    matches = [
        f"('{attribute}' in {OWN} && "
        f"[{', '.join(_quoted(one.lower()) for one in products)}]"
        f".exists(name, {OWN}.{attribute}.lowerAscii().contains(name)))"
        for attribute in PRODUCT_ATTRIBUTES
    ]
    return " || ".join(matches)


def _quoted(text: str) -> str:
    """A string of CEL: those of JSON are the same."""
    return msgspec.json.encode(text).decode()


def missing(claim: DeviceClaim, known: Collection[str] | None) -> str:
    """What the cluster lacks for the claim, in words; empty when nothing. `known` is None where DRA is not served."""
    if known is None:
        return "the API server does not serve resource.k8s.io/v1"
    absent = [name for name in claim.classes() if name not in known]
    if absent:
        return f"there is no DeviceClass {' and no '.join(absent)} (known: {', '.join(sorted(known)) or 'none'})"
    return ""
