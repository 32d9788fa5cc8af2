"""Rollouts with GPUs on a real API server: there is no scheduler here, so the tests say what it would."""

from collections.abc import Iterator
from typing import Any

import pytest

from integration.running import READY_POD, Cluster, Object, Operator, eventually, model

pytestmark = pytest.mark.integration

POOL = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "pool"},
    "spec": {"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]},
}
FULL = (
    "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. preemption: 0/1 nodes are available: No preemption victims"
)
ELSEWHERE = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes"


@pytest.fixture
def pool(shared: Cluster) -> Iterator[None]:
    """A node with two GPUs."""
    shared.apply(POOL)
    shared.plane.client().merge("/api/v1/nodes/pool/status", {"status": {"allocatable": {"nvidia.com/gpu": "2"}}})
    yield
    shared.kubectl("delete", "node/pool")


def pods(shared: Cluster, namespace: str, revision: str) -> list[Object]:
    found = shared.items(f"/api/v1/namespaces/{namespace}/pods")
    return [one for one in found if one["metadata"]["labels"]["modelyard.dev/revision"] == revision]


def say(shared: Cluster, pod: Object, **status: Any) -> None:
    """Give a pod a status, as scheduler and kubelet do."""
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/status"
    shared.plane.client().merge(path, {"status": status})


def left_without_a_node(message: str) -> dict[str, Any]:
    return {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]}


def updated(shared: Cluster, namespace: str) -> tuple[str, str, Object]:
    """A model of two replicas that was Ready, then changed; old and new revision, and the pod that is tried."""
    shared.apply(model(namespace, replicas=2, gpu={"count": 1}))
    shared.make_ready(namespace)
    before = shared.model(namespace)["status"]["revision"]
    shared.apply(model(namespace, replicas=2, gpu={"count": 1}, model={"uri": "s3://models/digits/2"}))

    def tried() -> list[Object]:
        return pods(shared, namespace, shared.model(namespace)["status"]["revision"])

    eventually(lambda: shared.model(namespace)["status"]["revision"] != before)
    only = eventually(tried)
    assert len(only) == 1
    return before, shared.model(namespace)["status"]["revision"], only[0]


def test_an_old_replica_gives_its_gpu_only_when_the_new_one_finds_none(
    shared: Cluster, operator: Operator, pool: None, namespace: str
) -> None:
    before, after, tried = updated(shared, namespace)
    assert shared.model(namespace)["status"]["rollout"]["strategy"] == "Surge"
    assert len(pods(shared, namespace, before)) == 2
    say(shared, tried, **left_without_a_node(FULL))
    eventually(lambda: len(pods(shared, namespace, before)) == 1)
    told = shared.model(namespace)["status"]["rollout"]
    assert told == {
        "strategy": "Borrow",
        "message": "Borrow: the new replica waits for a node, so one old replica gives its GPU",
        "served": 2,
    }
    # Its place is free: the next is tried, and no other old replica goes before the first is ready.
    eventually(lambda: len(pods(shared, namespace, after)) == 2)
    operator.quiet()
    assert len(pods(shared, namespace, before)) == 1
    say(shared, tried, **READY_POD)
    shared.make_ready(namespace)
    eventually(lambda: "rollout" not in shared.model(namespace)["status"])
    assert pods(shared, namespace, before) == []


def test_a_revision_that_fits_on_no_node_takes_no_old_replica(
    shared: Cluster, operator: Operator, pool: None, namespace: str
) -> None:
    before, _, tried = updated(shared, namespace)
    say(shared, tried, **left_without_a_node(ELSEWHERE))
    found = shared.reason(namespace, "InsufficientGPU", kind="Scheduled")
    assert "1 node: 1 does not match the labels that are asked for" in found["message"]
    operator.quiet()
    assert len(pods(shared, namespace, before)) == 2
