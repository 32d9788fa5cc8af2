"""Nodes against what was asked for."""

from typing import Any

from builders import node
from modelyard_operator.api.model_deployment import Gpu
from modelyard_operator.gpu import GpuRequest, resolve
from modelyard_operator.placement import shortage


def request(gpu: Gpu, *nodes: Any) -> GpuRequest:
    found = resolve(gpu, None, nodes or (node(),))
    assert isinstance(found, GpuRequest)
    return found


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
