"""The scheduler's words, as Kubernetes 1.37 writes them, against the nodes: a reason, and a line that counts nodes."""

from typing import Any

import msgspec
import pytest

from builders import node
from modelyard_operator.api.gpus import Gpu
from modelyard_operator.api.model_deployment import Toleration
from modelyard_operator.api.objects import Node
from modelyard_operator.gpu import GpuRequest, resolve
from modelyard_operator.placement import Cause, Wanted, causes, explain, fits_somewhere, lacking, reason
from modelyard_operator.reasons import Reason

H100, T4 = node("h100"), node("t4", product="NVIDIA-T4", memory=15360)
CPU = node("cpu", gpus=0)


def spoken(total: int, verdicts: str, preemption: str = "No preemption victims found for incoming pod.") -> str:
    """A verdict of the scheduler, with what it says of preemption behind it."""
    return f"0/{total} nodes are available: {verdicts}. preemption: 0/{total} nodes are available: {preemption}"


def request(*nodes: Node, **gpu: Any) -> GpuRequest:
    found = resolve(msgspec.convert(gpu, Gpu), None, nodes or (H100,), frozenset({"gpu.nvidia.com"}))
    assert isinstance(found, GpuRequest)
    return found


def wanted(gpu: GpuRequest | None, selector: dict[str, str] | None = None, *tolerations: Toleration) -> Wanted:
    return Wanted(gpu, selector or {}, [*(gpu.tolerations if gpu else []), *tolerations])


def tainted(found: Node, *taints: tuple[str, str, str]) -> Node:
    spec = {"taints": [{"key": key, "value": value, "effect": effect} for key, value, effect in taints]}
    return msgspec.structs.replace(found, spec=msgspec.convert(spec, type(found.spec)))


ANY, BIG = request(), request(count=8)
PRODUCT, MEMORY = request(product=["H100"]), request(memory="40Gi")
CLAIM = request(allocation="DRA")
AFFINITY = "1 node(s) didn't match Pod's node affinity/selector"
LINES = [
    pytest.param(
        spoken(3, f"{AFFINITY}, 2 Insufficient nvidia.com/gpu"),
        PRODUCT,
        [H100, node("h100-1"), T4],
        "3 nodes: 1 lacks product NVIDIA-H100-80GB-HBM3, 2 have no free nvidia.com/gpu",
        id="full, and of another product",
    ),
    pytest.param(
        spoken(3, "3 Insufficient nvidia.com/gpu"),
        ANY,
        [H100, CPU, T4],
        "3 nodes: 2 have no free nvidia.com/gpu, 1 has no nvidia.com/gpu at all",
        id="full, and without GPUs",
    ),
    pytest.param(
        spoken(2, "2 Insufficient nvidia.com/gpu"),
        BIG,
        [node("small"), node("large", gpus=8)],
        "2 nodes: 1 has fewer than 8 free nvidia.com/gpu, 1 has fewer than 8 nvidia.com/gpu in all",
        id="too large for a node",
    ),
    pytest.param(
        spoken(5, "5 Insufficient nvidia.com/gpu"),
        ANY,
        [H100],
        "5 nodes: 5 have no free nvidia.com/gpu",
        id="the scheduler sees other nodes than the operator",
    ),
    pytest.param(
        spoken(2, "2 node(s) didn't match Pod's node affinity/selector"),
        MEMORY,
        [T4, CPU],
        "2 nodes: 2 lack GPUs of 40960 MiB",
        id="too little memory",
    ),
    pytest.param(
        spoken(2, "2 node(s) didn't match Pod's node affinity/selector"),
        MEMORY,
        [T4, H100],
        "2 nodes: 2 do not match the labels that are asked for",
        id="labels have changed since",
    ),
    pytest.param(
        spoken(1, "1 Insufficient cpu, 1 Insufficient nvidia.com/gpu"),
        ANY,
        [H100],
        "1 node: 1 has too little free cpu, 1 has no free nvidia.com/gpu",
        id="two causes on one node",
    ),
    pytest.param(
        spoken(3, "1 node(s) had untolerated taint(s), 1 node(s) were unschedulable, 1 Insufficient nvidia.com/gpu"),
        ANY,
        [
            tainted(H100, ("team", "vision", "NoSchedule"), ("slow", "", "PreferNoSchedule")),
            msgspec.structs.replace(node("n1"), spec=msgspec.convert({"unschedulable": True}, type(H100.spec))),
            tainted(node("n2"), ("nvidia.com/gpu", "present", "NoSchedule")),
        ],
        "3 nodes: 1 has a taint that the pods do not tolerate (team=vision), 1 is cordoned, "
        "1 has no free nvidia.com/gpu",
        id="taint and cordon",
    ),
    pytest.param(
        "0/1 nodes are available: 1 node(s) had untolerated taint {team: vision}. preemption: 0/1 nodes are available.",
        None,
        [],
        "1 node: 1 has a taint that the pods do not tolerate",
        id="as it was written before 1.36",
    ),
    pytest.param(
        spoken(2, "2 cannot allocate all claims", "still not schedulable after preempting everything"),
        CLAIM,
        [H100, T4],
        "2 nodes: 2 have no free device that the claim accepts",
        id="claim",
    ),
    pytest.param(
        "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
        None,
        [],
        "2 nodes: pod has unbound immediate PersistentVolumeClaims",
        id="about the pod",
    ),
    pytest.param(
        spoken(2, "2 node(s) didn't match pod topology spread constraints"),
        None,
        [],
        "2 nodes: 2 node(s) didn't match pod topology spread constraints",
        id="a cause without words of ours",
    ),
    pytest.param("exceeded quota: gpus", ANY, [], "exceeded quota: gpus", id="not from the scheduler"),
]


@pytest.mark.parametrize(("message", "gpu", "nodes", "line"), LINES)
def test_nodes_by_cause(message: str, gpu: GpuRequest | None, nodes: list[Node], line: str) -> None:
    assert explain(message, wanted(gpu), nodes) == line


def test_labels_of_the_node_selector_are_named() -> None:
    message = spoken(1, AFFINITY)
    assert explain(message, wanted(None, {"pool": "fast", "zone": "a"}), [H100]) == (
        "1 node: 1 lacks label pool=fast and zone=a"
    )


def test_counts_and_preemption_are_told_apart() -> None:
    assert causes(spoken(2, "1 Insufficient nvidia.com/mig-3g.40gb, 1 Too many pods")) == (
        2,
        [Cause(1, "Insufficient nvidia.com/mig-3g.40gb"), Cause(1, "Too many pods")],
    )


TOLERATED = [
    pytest.param(Toleration(key="team", operator="Exists"), True, id="any value"),
    pytest.param(Toleration(key="team", value="vision"), True, id="the value"),
    pytest.param(Toleration(key="team", value="speech"), False, id="another value"),
    pytest.param(Toleration(operator="Exists"), True, id="everything"),
    pytest.param(Toleration(key="team", operator="Exists", effect="NoExecute"), False, id="another effect"),
    pytest.param(Toleration(key="other", operator="Exists"), False, id="another key"),
]


@pytest.mark.parametrize(("toleration", "tolerated"), TOLERATED)
def test_taints_are_named_unless_they_are_tolerated(toleration: Toleration, tolerated: bool) -> None:
    nodes = [tainted(H100, ("team", "vision", "NoSchedule"))]
    line = explain(spoken(1, "1 node(s) had untolerated taint(s)"), wanted(None, None, toleration), nodes)
    assert ("team=vision" in line) is not tolerated


REASONS = [
    pytest.param(spoken(1, "1 Insufficient nvidia.com/gpu"), ANY, Reason.INSUFFICIENT_GPU, id="GPU"),
    pytest.param(
        spoken(2, "1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint(s)"),
        ANY,
        Reason.INSUFFICIENT_GPU,
        id="GPU before taint",
    ),
    pytest.param(spoken(1, AFFINITY), ANY, Reason.INSUFFICIENT_GPU, id="other GPUs"),
    pytest.param(spoken(1, AFFINITY), None, Reason.UNSCHEDULABLE, id="other nodes"),
    pytest.param(spoken(1, "1 Insufficient nvidia.com/gpu.shared"), ANY, Reason.UNSCHEDULABLE, id="another resource"),
    pytest.param(spoken(1, "1 Insufficient memory"), ANY, Reason.UNSCHEDULABLE, id="memory"),
    pytest.param(spoken(2, "2 cannot allocate all claims"), CLAIM, Reason.CLAIM_NOT_ALLOCATED, id="claim"),
    pytest.param(
        "0/1 nodes are available: claim team/a: selector #0 on device gpu.nvidia.com/node0/gpu-0: CEL runtime error: "
        "no such key: productName.",
        CLAIM,
        Reason.INVALID_CLAIM,
        id="selector that fails",
    ),
    pytest.param(
        "0/1 nodes are available: request gpu: device class gpu.nvidia.com does not exist.",
        CLAIM,
        Reason.INVALID_CLAIM,
        id="no class",
    ),
    pytest.param('pod "team/a": ResourceClaim not created yet', CLAIM, Reason.CLAIM_NOT_ALLOCATED, id="not made"),
    pytest.param(spoken(2, "1 node(s) had untolerated taint(s), 1 node(s) were unschedulable"), ANY, Reason.TAINTED),
    pytest.param(
        "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        None,
        Reason.VOLUME_NOT_BOUND,
        id="volume",
    ),
    pytest.param(
        spoken(1, "1 node(s) didn't match PersistentVolume's node affinity"),
        None,
        Reason.VOLUME_NOT_BOUND,
        id="volume elsewhere",
    ),
]


@pytest.mark.parametrize(("message", "gpu", "expected"), REASONS)
def test_reason(message: str, gpu: GpuRequest | None, expected: Reason) -> None:
    assert reason(message, gpu) is expected


def test_a_node_that_lacks_nothing() -> None:
    assert lacking(H100, wanted(PRODUCT)) == ""


def test_a_memory_label_that_is_no_number_offers_no_memory() -> None:
    odd = node("odd")
    odd.metadata.labels["nvidia.com/gpu.memory"] = "80Gi"
    assert lacking(odd, wanted(MEMORY)) == "GPUs of 40960 MiB"


FITS = [
    pytest.param(ANY, [CPU], False, id="no GPUs"),
    pytest.param(ANY, [CPU, H100], True, id="one node"),
    pytest.param(BIG, [H100], False, id="too few on each"),
    pytest.param(PRODUCT, [T4], False, id="another product"),
    pytest.param(CLAIM, [CPU], True, id="of devices only the scheduler knows"),
]


@pytest.mark.parametrize(("gpu", "nodes", "fits"), FITS)
def test_whether_an_empty_node_would_do(gpu: GpuRequest, nodes: list[Node], fits: bool) -> None:
    assert fits_somewhere(gpu, nodes) is fits
