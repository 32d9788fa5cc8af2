"""Why pods have no node: what the scheduler says of them, joined with what the nodes say of themselves. Pure.

The scheduler counts nodes by cause: "0/3 nodes are available: 2 Insufficient nvidia.com/gpu, 1 node(s) didn't match
Pod's node affinity/selector. preemption: …". A node counts once for each thing that a plugin found, and the first
plugin that refuses ends it: cordon, taints, affinity, then resources.
Source: pkg/scheduler/framework/types.go (FitError) and the plugins' own texts, Kubernetes 1.37.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .api.model_deployment import Toleration
from .api.objects import Node, Pod
from .api.scalars import parse_quantity
from .gpu import MEMORY_LABEL, PRODUCT_LABEL, GpuRequest
from .reasons import Reason

KUEUE_GATE = "kueue.x-k8s.io/admission"
AFFINITY = "didn't match Pod's node affinity/selector"
NO_DEVICE = "cannot allocate all claims"
NO_CLAIM = "ResourceClaim not created yet"
CORDONED = "were unschedulable"
TAINTS = ("untolerated taint", "had taints that the pod didn't tolerate")
# Causes that pass when another pod leaves.
_ROOM = ("Insufficient ", NO_DEVICE, "Too many pods")
_VOLUMES = (
    "unbound immediate PersistentVolumeClaims",
    "didn't find available persistent volumes to bind",
    "PersistentVolume's node affinity",
    "non-existent p",
)
_CLAIMS = ("CEL runtime error", "device class", "resourceclaim")
_VERDICT = re.compile(r"^0/(\d+) nodes are available: (.*?)\.(?:\s|$)", re.DOTALL)
_COUNTED = re.compile(r"^(\d+) (.*)$", re.DOTALL)


class Wanted(NamedTuple):
    """What the pods of a revision ask of a node."""

    request: GpuRequest | None
    node_selector: dict[str, str]
    tolerations: Sequence[Toleration]


class Cause(NamedTuple):
    """One thing that keeps pods from so many nodes; `nodes` is 0 when it is about the pod and no node."""

    nodes: int
    text: str


def causes(message: str) -> tuple[int, list[Cause]]:
    """How many nodes there are, and what the scheduler has against them; none when the message is of another kind."""
    found = _VERDICT.match(message)
    if found is None:
        return 0, []
    parts = re.split(r", (?=\d+ )", found[2])
    counted = [(_COUNTED.match(part), part) for part in parts]
    return int(found[1]), [Cause(int(one[1]), one[2]) if one else Cause(0, part) for one, part in counted]


def reason(message: str, request: GpuRequest | None) -> Reason:  # noqa: PLR0911 - a table, first match wins
    """What a pod without a node waits for."""
    texts = [one.text for one in causes(message)[1]] or [message]
    if request and request.resource_name and f"Insufficient {request.resource_name}" in texts:
        return Reason.INSUFFICIENT_GPU
    if any(part in text for text in texts for part in _VOLUMES):
        return Reason.VOLUME_NOT_BOUND
    if any(part in text for text in texts for part in (NO_DEVICE, NO_CLAIM)):
        return Reason.CLAIM_NOT_ALLOCATED
    if any(part in text for text in texts for part in _CLAIMS):
        return Reason.INVALID_CLAIM
    # With GPUs asked for, affinity is about product and memory.
    if request and any(AFFINITY in text for text in texts):
        return Reason.INSUFFICIENT_GPU
    if all(_is_taint(text) for text in texts):
        return Reason.TAINTED
    return Reason.UNSCHEDULABLE


def needs_room(pod: Pod) -> bool:
    """Whether a pod waits for nothing but that others leave: resources, devices, or a place in Kueue's queue."""
    scheduled = pod.condition("PodScheduled")
    if scheduled is None or scheduled.status != "False":
        return False
    if scheduled.reason == "SchedulingGated":
        return is_queued(pod)
    return any(part in one.text for one in causes(scheduled.message)[1] for part in _ROOM)


def is_queued(pod: Pod) -> bool:
    """Whether Kueue has not admitted the pod yet."""
    return any(gate.name == KUEUE_GATE for gate in pod.spec.scheduling_gates)


def fits_somewhere(request: GpuRequest, nodes: Iterable[Node]) -> bool:
    """Whether any node could hold one replica if it were empty. Of claims only the scheduler knows."""
    wanted = Wanted(request, request.node_selector, request.tolerations)
    return request.claim is not None or any(
        not lacking(node, wanted) and _allocatable(node, request) >= request.count for node in nodes
    )


def explain(message: str, wanted: Wanted, nodes: Sequence[Node]) -> str:
    """Nodes by cause, in words that tell what to do: "3 nodes: 2 have no free nvidia.com/gpu, 1 lacks product H100".

    A message of another kind is returned as it is.
    """
    total, found = causes(message)
    if not found:
        return message
    open_nodes = [node for node in nodes if not node.spec.unschedulable and not _untolerated(node, wanted)]
    parts = [part for one in found for part in _parts(one, wanted, nodes, open_nodes)]
    return f"{total} node{'s' * (total != 1)}: {', '.join(parts)}"


def _parts(  # noqa: PLR0911 - a table, first match wins
    cause: Cause, wanted: Wanted, nodes: Sequence[Node], open_nodes: Sequence[Node]
) -> list[str]:
    request, number = wanted.request, cause.nodes
    if request and cause.text == f"Insufficient {request.resource_name}":
        return _by_capacity(number, request, [node for node in open_nodes if not lacking(node, wanted)])
    if cause.text.startswith("Insufficient "):
        return [_said(number, "has", "have", f"too little free {cause.text.removeprefix('Insufficient ')}")]
    if AFFINITY in cause.text:
        return _by_label(number, wanted, open_nodes)
    if _is_taint(cause.text) and CORDONED not in cause.text:
        taints = sorted({taint for node in nodes for taint in _untolerated(node, wanted)})
        return [_said(number, "has", "have", f"a taint that the pods do not tolerate{_listed(taints)}")]
    if CORDONED in cause.text:
        return [_said(number, "is", "are", "cordoned")]
    if NO_DEVICE in cause.text:
        return [_said(number, "has", "have", "no free device that the claim accepts")]
    return [f"{number} {cause.text}" if number else cause.text]


def _by_capacity(number: int, request: GpuRequest, candidates: Sequence[Node]) -> list[str]:
    """Nodes without enough GPUs: those that never have enough are told from those whose GPUs are taken."""
    name = request.resource_name
    if len(candidates) != number:
        return [_said(number, "has", "have", f"no free {name}")]
    offers = [_allocatable(node, request) for node in candidates]
    groups = [
        (sum(offer >= request.count for offer in offers), f"no free {name}" if request.count == 1 else _few(request)),
        (sum(0 < offer < request.count for offer in offers), f"fewer than {request.count} {name} in all"),
        (sum(offer == 0 for offer in offers), f"no {name} at all"),
    ]
    return [_said(count, "has", "have", text) for count, text in groups if count]


def _few(request: GpuRequest) -> str:
    return f"fewer than {request.count} free {request.resource_name}"


def _by_label(number: int, wanted: Wanted, candidates: Sequence[Node]) -> list[str]:
    found = Counter(lack for node in candidates if (lack := lacking(node, wanted)))
    if found.total() != number:
        return [_said(number, "does", "do", "not match the labels that are asked for")]
    return [_said(count, "lacks", "lack", lack) for lack, count in sorted(found.items())]


def lacking(node: Node, wanted: Wanted) -> str:
    """The first label that a node lacks, in words; empty when it has all."""
    labels, request = node.metadata.labels, wanted.request
    if request and request.products and labels.get(PRODUCT_LABEL) not in request.products:
        return f"product {' or '.join(request.products)}"
    if request and _mebibytes(labels.get(MEMORY_LABEL, "")) < request.memory_mib:
        return f"GPUs of {request.memory_mib} MiB"
    absent = [f"{key}={value}" for key, value in wanted.node_selector.items() if labels.get(key) != value]
    return f"label {' and '.join(sorted(absent))}" if absent else ""


def _untolerated(node: Node, wanted: Wanted) -> list[str]:
    return [
        f"{taint.key}={taint.value}" if taint.value else taint.key
        for taint in node.spec.taints
        if taint.effect in ("NoSchedule", "NoExecute")
        and not any(_tolerates(one, taint.key, taint.value, taint.effect) for one in wanted.tolerations)
    ]


def _tolerates(one: Toleration, key: str, value: str, effect: str) -> bool:
    """As Kubernetes compares them: no key with Exists matches every taint, no effect every effect."""
    if one.effect not in (None, effect) or (one.key or key) != key:
        return False
    return one.operator == "Exists" or (one.key is not None and (one.value or "") == value)


def _is_taint(text: str) -> bool:
    return CORDONED in text or any(part in text for part in TAINTS)


def _listed(names: Sequence[str]) -> str:
    return f" ({', '.join(names[:4])})" if names else ""


def _said(number: int, one: str, many: str, rest: str) -> str:
    return f"{number} {one if number == 1 else many} {rest}"


def _mebibytes(label: str) -> int:
    """Labels are written by others; one that is no number offers no memory, as to the scheduler."""
    return int(label) if label.isdigit() else 0


def _allocatable(node: Node, request: GpuRequest) -> int:
    return int(parse_quantity(node.status.allocatable.get(request.resource_name, "0")))
