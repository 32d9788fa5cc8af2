"""Replica counts, as the planner needs them, from what the cluster holds."""

from typing import Any

import pytest

from builders import DEFAULTS, catalog, live, model, node, pod
from modelyard_operator.counts import current
from modelyard_operator.gpu import GpuRequest, resolve
from modelyard_operator.observed import Observed
from modelyard_operator.render.deployment import deployment
from modelyard_operator.revision import Resolved
from modelyard_operator.revision import resolve as resolve_revision
from modelyard_operator.rollout import Current

NO_GPU = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. preemption: 0/1 nodes are available."
OTHER_NODE = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
EXCEEDED = 'pods "x" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, used: 2, limited: 2'


def counted(*pods: Any, gpus: int = 4, deployments: Any = (), asked: int = 1) -> dict[str, Current]:
    gpu = model(gpu={"count": asked}).spec.gpu
    assert gpu is not None
    request = resolve(gpu, None, [])
    assert isinstance(request, GpuRequest)
    return current(Observed(deployments=deployments, pods=pods), request, [node(gpus=gpus)])


def waiting(message: str, **over: Any) -> Any:
    return pod("r1", scheduled=False, unscheduled=message, **over)


ROWS = [
    pytest.param(waiting(NO_GPU), 1, id="no free GPU"),
    pytest.param(waiting("0/1 nodes are available: 1 Insufficient memory."), 1, id="no memory"),
    pytest.param(waiting("0/1 nodes are available: 1 cannot allocate all claims."), 1, id="no free device"),
    pytest.param(waiting("0/1 nodes are available: 1 Too many pods."), 1, id="too many pods"),
    pytest.param(waiting(OTHER_NODE), 0, id="another kind of node"),
    pytest.param(waiting("pod has unbound immediate PersistentVolumeClaims"), 0, id="a volume"),
    pytest.param(pod("r1", conditions=[]), 0, id="not looked at yet"),
]


@pytest.mark.parametrize(("found", "no_room"), ROWS)
def test_a_pod_without_a_node_needs_room_only_for_some_causes(found: Any, no_room: int) -> None:
    assert counted(found) == {"r1": Current("r1", pods=1, waiting=1, no_room=no_room)}


def test_no_room_helps_a_request_that_is_larger_than_any_node() -> None:
    assert counted(waiting(NO_GPU), gpus=4, asked=8)["r1"].no_room == 0


GATED: dict[str, Any] = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}


def test_a_pod_that_kueue_holds_back_needs_room_and_one_that_others_hold_back_does_not() -> None:
    assert counted(pod("r1", gates=["kueue.x-k8s.io/admission"], **GATED))["r1"].no_room == 1
    assert counted(pod("r1", gates=["example.org/hold"], **GATED))["r1"].no_room == 0


def test_pods_that_have_ended_hold_nothing() -> None:
    assert counted(pod("r1", phase="Failed"), pod("r1", "b", phase="Succeeded")) == {}


def owned(replicas: int, *conditions: dict[str, str], **extra: Any) -> Any:
    parent = model()
    revision = resolve_revision(parent, catalog(), DEFAULTS)
    assert isinstance(revision, Resolved)
    return live(deployment(parent, revision, replicas), status={"conditions": list(conditions)}, **extra)


REFUSED = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": EXCEEDED}


def test_pods_that_a_quota_refuses_wait_and_one_of_them_needs_room() -> None:
    found = owned(3, REFUSED)
    name = found.metadata.labels["modelyard.dev/revision"]
    ready = pod(name, ready=True)
    assert counted(ready, deployments=[found])[name] == Current(name, 3, pods=3, ready=1, waiting=2, no_room=1)
    three = [pod(name, str(number)) for number in range(3)]
    assert counted(*three, deployments=[found])[name].waiting == 0
    assert counted(ready, deployments=[owned(3)])[name].pods == 1
