"""Claims for devices: the CEL that asks for what the user wrote."""

import pytest

from modelyard_operator.api.gpus import GpuAlternative
from modelyard_operator.device_claims import DeviceOption, device_claim, missing

OWN = "device.attributes[device.driver]"


def option(kind: GpuAlternative, vendor: str = "nvidia") -> DeviceOption:
    return device_claim(vendor, [kind]).options[0]


@pytest.mark.parametrize(
    ("vendor", "kind", "name"),
    [
        ("nvidia", GpuAlternative(), "gpu.nvidia.com"),
        ("nvidia", GpuAlternative(mig="3g.40gb"), "mig.nvidia.com"),
        ("amd", GpuAlternative(), "gpu.amd.com"),
        ("intel", GpuAlternative(), "gpu.intel.com"),
        ("google", GpuAlternative(), "tpu.google.com"),
        ("nvidia", GpuAlternative(device_class_name="big", mig="3g.40gb"), "big"),
    ],
)
def test_class(vendor: str, kind: GpuAlternative, name: str) -> None:
    assert option(kind, vendor).device_class == name


def test_any_device_of_the_class_needs_no_selector() -> None:
    assert option(GpuAlternative()).selectors == []


def test_what_a_device_may_lack_is_asked_for_before_it_is_used() -> None:
    found = option(GpuAlternative(product=["H100", 'a"b'], memory="40Gi", selectors=["true"])).selectors
    names = '["h100", "a\\"b"]'
    either = (
        f"('productName' in {OWN} && {names}.exists(name, {OWN}.productName.lowerAscii().contains(name))) || "
        f"('model' in {OWN} && {names}.exists(name, {OWN}.model.lowerAscii().contains(name)))"
    )
    held = "device.capacity[device.driver]"
    memory = f"""'memory' in {held} && {held}.memory.compareTo(quantity("42949672960")) >= 0"""
    assert found == ["true", either, memory]


def test_a_slice_is_asked_for_by_its_profile() -> None:
    assert option(GpuAlternative(mig="3g.40gb")).selectors == [f"""'profile' in {OWN} && {OWN}.profile == "3g.40gb\""""]


def test_classes_are_named_once_in_the_order_of_preference() -> None:
    claim = device_claim("nvidia", [GpuAlternative(mig="3g.40gb"), GpuAlternative(), GpuAlternative(mig="7g.80gb")])
    assert claim.classes() == ["mig.nvidia.com", "gpu.nvidia.com"]
    assert missing(claim, {"mig.nvidia.com"}) == "there is no DeviceClass gpu.nvidia.com (known: mig.nvidia.com)"
    assert missing(claim, {"mig.nvidia.com", "gpu.nvidia.com"}) == ""
