"""GPU requests: from what a user or a profile says to what a pod asks for."""

from typing import Any

import pytest

from builders import node, profile
from modelyard_operator.api.accelerator_profile import AcceleratorProfile
from modelyard_operator.api.model_deployment import Gpu
from modelyard_operator.gpu import GpuRequest, affinity, resolve, shortage


def request(gpu: Gpu, chosen: AcceleratorProfile | None = None, *nodes: Any) -> GpuRequest:
    return resolve(gpu, chosen.spec if chosen else None, nodes or (node(),))


@pytest.mark.parametrize(
    ("gpu", "resource"),
    [
        (Gpu(), "nvidia.com/gpu"),
        (Gpu(vendor="amd"), "amd.com/gpu"),
        (Gpu(resource_name="nvidia.com/mig-3g.40gb"), "nvidia.com/mig-3g.40gb"),
    ],
)
def test_resource_name(gpu: Gpu, resource: str) -> None:
    assert request(gpu).resource_name == resource


def test_the_taint_of_gpu_nodes_is_tolerated() -> None:
    first = request(Gpu()).tolerations[0]
    assert (first.key, first.operator, first.effect) == ("nvidia.com/gpu", "Exists", "NoSchedule")


def test_part_of_a_product_finds_the_whole_name_in_any_case() -> None:
    other = node("n1", product="NVIDIA-A100-SXM4-80GB")
    assert request(Gpu(product=["h100"]), None, node(), other).products == ["NVIDIA-H100-80GB-HBM3"]


def test_a_product_that_no_node_has_is_kept_so_that_the_scheduler_can_say_so() -> None:
    assert request(Gpu(product=["B300"])).products == ["B300"]


def test_memory_becomes_mebibytes_and_an_exclusive_bound() -> None:
    found = request(Gpu(memory="40Gi"))
    assert found.memory_mib == 40960
    assert affinity(found) == {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "nvidia.com/gpu.memory", "operator": "Gt", "values": ["40959"]}]}
                ]
            }
        }
    }


def test_any_gpu_needs_no_affinity() -> None:
    assert affinity(request(Gpu())) is None


def test_a_profile_says_all_but_the_count() -> None:
    chosen = profile(
        product=["H100"],
        memory="80G",
        nodeSelector={"pool": "fast"},
        tolerations=[{"key": "fast", "operator": "Exists"}],
    )
    found = request(Gpu(count=2, profile="h100"), chosen)
    assert found.count == 2
    assert found.node_selector == {"pool": "fast"}
    assert [one.key for one in found.tolerations] == ["nvidia.com/gpu", "fast"]
    assert found.products == ["NVIDIA-H100-80GB-HBM3"]
    assert str(found) == "2 nvidia.com/gpu"


def test_shortage_counts_nodes_and_gpus() -> None:
    found = request(Gpu(count=1, product=["H100"], memory="40Gi"))
    nodes = [node(), node("n1", product="NVIDIA-T4", memory=15360), node("cpu", gpus=0)]
    assert shortage(found, nodes) == (
        "1 of 3 nodes could serve it, with 4 nvidia.com/gpu in all; "
        "1 have other GPUs than NVIDIA-H100-80GB-HBM3 or 40960 MiB"
    )


def test_shortage_of_a_request_that_is_larger_than_a_node() -> None:
    assert shortage(request(Gpu(count=8)), [node()]).startswith("0 of 1 nodes could serve it")


def test_a_memory_label_that_is_no_number_offers_no_memory() -> None:
    odd = node()
    odd.metadata.labels["nvidia.com/gpu.memory"] = "80Gi"
    assert shortage(request(Gpu(memory="1Gi")), [odd]).startswith("0 of 1 nodes")
