"""Decisions while one revision replaces another."""

from typing import Any

import msgspec
import pytest

from builders import live, model, pod, restarting
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.model_status import ModelDeploymentStatus, RolloutStatus
from modelyard_operator.conditions import status
from modelyard_operator.decide import Removal, Scale
from modelyard_operator.observed import Observed
from modelyard_operator.render.deployment import deployment
from unit.controller.deciding import applied, decided, revision, settled


def test_an_edit_starts_a_second_revision_beside_the_first() -> None:
    before, after = model(replicas=2), model(replicas=2, model={"uri": "s3://models/digits/2"})
    found = decided(after, settled(before))
    assert applied(found) == [("Deployment", f"digits-{revision(after).name}")]
    assert found.apply[0]["spec"]["replicas"] == 2
    assert found.delete == []
    assert not found.facts.replaced


GPU_BEFORE, GPU_AFTER = {"count": 1}, {"count": 1, "product": ["h100"]}


def test_with_gpus_one_new_replica_is_tried_beside_the_old_ones() -> None:
    before, after = model(replicas=2, gpu=GPU_BEFORE), model(replicas=2, gpu=GPU_AFTER)
    found = decided(after, settled(before))
    assert found.apply[0]["spec"]["replicas"] == 1
    assert found.scale == []
    assert found.facts.rollout == RolloutStatus(
        strategy="Surge", message="Surge: a new replica is tried beside the old ones", served=2
    )


def test_an_old_replica_gives_its_gpu_when_the_new_one_finds_none() -> None:
    before, after = model(replicas=2, gpu=GPU_BEFORE), model(replicas=2, gpu=GPU_AFTER)
    old, name = settled(before), revision(after).name
    stuck = pod(name, "new-0", scheduled=False, unscheduled="0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
    new = live(deployment(after, revision(after), 1))
    found = decided(after, settled(before, deployments=[*old.deployments, new], pods=[*old.pods, stuck]))
    assert found.scale == [Scale(f"digits-{revision(before).name}", "live", 1)]
    assert found.facts.rollout is not None
    assert found.facts.rollout.strategy == "Borrow"
    assert found.facts.rollout.message == "Borrow: the new replica waits for a node, so one old replica gives its GPU"


def test_an_explicit_strategy_is_followed() -> None:
    before = model(replicas=2, gpu=GPU_BEFORE)
    after = model(replicas=2, gpu=GPU_AFTER, rollout={"strategy": "Recreate"})
    found = decided(after, settled(before))
    assert [one.kind for one in found.delete] == ["Deployment"]
    assert found.facts.rollout is not None
    assert found.facts.rollout.strategy == "Recreate"


def ready(parent: ModelDeployment, observed: Observed) -> str:
    return status(parent, decided(parent, observed).facts, "2026-01-01T00:00:00Z").conditions[0].status


@pytest.mark.parametrize("strategy", ["Auto", "Surge", "Borrow", "Recreate"])
@pytest.mark.parametrize("gpu", [GPU_BEFORE, None], ids=["with GPUs", "without"])
def test_ready_speaks_of_the_asked_revision_whatever_the_strategy(strategy: str, gpu: dict[str, Any] | None) -> None:
    before = model(replicas=2, gpu=gpu)
    after = model(replicas=2, gpu=gpu, model={"uri": "s3://models/digits/2"}, rollout={"strategy": strategy})
    old, new = settled(before), settled(after)
    assert ready(after, old) == "False"
    one = [live(deployment(after, revision(after), 2), status={"readyReplicas": 1})]
    half = settled(after, deployments=[*old.deployments, *one], pods=[*old.pods, *new.pods[:1]])
    assert ready(after, half) == "False"
    failing = pod(revision(before).name, "old", containerStatuses=[restarting("server", 1, "Traceback")])
    assert ready(after, settled(after, pods=[*new.pods, failing])) == "True"


def test_what_is_left_of_an_old_revision_is_no_rollout_any_more() -> None:
    before, after = model(), model(model={"uri": "s3://models/digits/2"})
    new = settled(after)
    leaving = pod(revision(before).name, "old", deleted=True)
    assert decided(after, settled(after, pods=[*new.pods, leaving])).facts.rollout is None


def test_a_paused_rollout_makes_the_deployment_and_no_pod() -> None:
    before, after = model(replicas=2), model(replicas=2, model={"uri": "s3://m/2"}, rollout={"paused": True})
    found = decided(after, settled(before))
    assert found.apply[0]["spec"]["replicas"] == 0
    assert (found.scale, found.delete) == ([], [])


def test_what_once_served_is_remembered_until_the_rollout_ends() -> None:
    before = model(replicas=3, gpu=GPU_BEFORE)
    so_far = ModelDeploymentStatus(rollout=RolloutStatus(strategy="Borrow", message="", served=3))
    after = model(replicas=3, gpu=GPU_AFTER, status=so_far)
    old = settled(before)
    found = decided(after, settled(before, pods=old.pods[:2]))
    assert found.facts.rollout is not None
    assert found.facts.rollout.served == 3


def test_the_old_revision_goes_once_the_new_one_is_ready() -> None:
    before, after = model(), model(model={"uri": "s3://models/digits/2"})
    old, new = settled(before), settled(after)
    both = Observed(
        deployments=[*old.deployments, *new.deployments],
        pods=[*old.pods, *new.pods],
        services=new.services,
        history=old.history,
    )
    found = decided(after, both)
    assert found.delete == [Removal("Deployment", f"digits-{revision(before).name}", "live")]
    assert not found.facts.replaced
    gone = decided(after, msgspec.structs.replace(both, deployments=new.deployments, pods=new.pods))
    assert [(one["kind"], one["revision"]) for one in gone.apply] == [("ControllerRevision", 2)]
    assert gone.facts.replaced


def test_an_old_pod_that_still_answers_keeps_the_model_from_being_ready() -> None:
    before, after = model(), model(model={"uri": "s3://models/digits/2"})
    new = settled(after)
    found = decided(after, settled(after, pods=[*new.pods, pod(revision(before).name, "old", ready=True)]))
    assert not found.facts.replaced


def test_a_revision_whose_pods_run_without_a_deployment_is_lost_unless_it_is_asked_for() -> None:
    before, after = model(), model(model={"uri": "s3://models/digits/2"})
    old, new = settled(before), settled(after)
    both = [*old.pods, *new.pods, pod("leaving", "leaving", deleted=True), pod("", "nobody's")]
    assert decided(after, settled(after, pods=both)).lost == [revision(before).name]
    assert decided(after, settled(after, pods=both, deployments=[])).lost == [revision(before).name]
    assert decided(after, settled(after, pods=both, deployments=[*old.deployments, *new.deployments])).lost == []
    unresolved = decided(model(runtime="vlm"), settled(after, history=[], deployments=[]))
    assert unresolved.lost == [revision(after).name]


def test_a_blip_of_the_old_revision_does_not_end_it_while_the_new_one_is_stuck() -> None:
    before, after = model(), model(model={"uri": "s3://models/nowhere/1"})
    stuck = live(deployment(after, revision(after), 1))
    old = settled(before, pods=[pod(revision(before).name)])
    found = decided(after, settled(before, deployments=[*old.deployments, stuck], pods=old.pods))
    assert found.delete == []


def test_a_deployment_that_is_being_deleted_is_not_deleted_again() -> None:
    before, after = model(), model(replicas=0, model={"uri": "s3://models/digits/2"})
    going = settled(before).deployments[0]
    going = msgspec.structs.replace(
        going, metadata=msgspec.structs.replace(going.metadata, deletion_timestamp="2026-01-01T00:00:00Z")
    )
    assert decided(after, settled(after, deployments=[going])).delete == []
