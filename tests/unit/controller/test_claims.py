"""Claims of one model: which templates go, and which devices its pods got."""

from typing import Any

import pytest

from builders import claim, pod
from modelyard_operator.api.model_status import AllocatedDevice
from modelyard_operator.api.objects import Child, ObjectMeta
from modelyard_operator.claims import allocated, left_over


def template(name: str, deleted: str | None = None) -> Child:
    return Child(metadata=ObjectMeta(name=name, uid=name, deletion_timestamp=deleted))


BOTH = [template("old"), template("new")]
ROWS = [
    pytest.param([pod("r2", template="new")], False, ["old"], id="no pod names the old one"),
    pytest.param([pod("r1", template="old")], False, [], id="a pod of the old revision is left"),
    pytest.param([pod("r1", template="old", deleted=True)], False, [], id="even one that leaves"),
    pytest.param([], True, [], id="the old Deployment may still make a pod"),
]


@pytest.mark.parametrize(("pods", "replacing", "names"), ROWS)
def test_left_over(pods: list[Any], replacing: bool, names: list[str]) -> None:
    assert [one.metadata.name for one in left_over(BOTH, pods, "new", replacing=replacing)] == names


def test_a_template_that_is_being_deleted_is_not_deleted_again() -> None:
    assert left_over([template("old", deleted="2026-01-01T00:00:00Z")], [], "new", replacing=False) == []


def test_devices_are_told_by_pod() -> None:
    claims = [claim("b", "gpu-2"), claim("a", "gpu-0", "gpu-1"), claim("elsewhere", "gpu-7"), claim("c")]
    found = allocated(claims, [pod("r1", name) for name in ("a", "b", "c")])
    assert [(one.pod, one.device) for one in found] == [("a", "gpu-0"), ("a", "gpu-1"), ("b", "gpu-2")]
    assert found[0] == AllocatedDevice(pod="a", driver="gpu.nvidia.com", pool="node0", device="gpu-0")
