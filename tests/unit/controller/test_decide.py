"""Decisions: what is applied, scaled and deleted for one observed model."""

import msgspec

from builders import UID, live, model, pod, restarting
from modelyard_operator.decide import Removal, Scale
from modelyard_operator.observed import Observed
from modelyard_operator.reading import from_body
from modelyard_operator.reasons import Unresolved
from modelyard_operator.render.deployment import deployment
from modelyard_operator.render.service import service
from unit.controller.deciding import applied, decided, revision, settled


def test_a_new_model_gets_a_service_and_a_deployment() -> None:
    parent = model()
    found = decided(parent, Observed())
    assert applied(found) == [("Service", "digits"), ("Deployment", f"digits-{revision(parent).name}")]
    assert (found.scale, found.delete) == ([], [])
    owner = found.apply[0]["metadata"]["ownerReferences"][0]
    assert (owner["uid"], owner["controller"]) == (UID, True)


def test_what_is_told_of_a_new_model_is_true_after_it_was_applied() -> None:
    parent = model()
    first = decided(parent, Observed())
    after = Observed(deployments=[live(first.apply[1])], services=[live(first.apply[0])])
    assert decided(parent, after).facts.revisions == first.facts.revisions
    assert [one.replicas for one in first.facts.revisions] == [1]


def test_two_replicas_get_a_disruption_budget() -> None:
    assert ("PodDisruptionBudget", "digits") in applied(decided(model(replicas=2), Observed()))


def test_a_settled_model_needs_nothing() -> None:
    parent = model(replicas=2)
    found = decided(parent, settled(parent))
    assert (found.apply, found.scale, found.delete) == ([], [], [])
    assert found.facts.ready == 2


def test_a_change_by_hand_is_undone() -> None:
    parent = model()
    manifest = service(parent)
    manifest["spec"]["ports"][0]["port"] = 8081
    changed = live(manifest)
    assert applied(decided(parent, settled(parent, services=[changed]))) == [("Service", "digits")]


def test_what_was_compared_once_is_not_compared_again_until_it_changes() -> None:
    parent = model()
    first = decided(parent, settled(parent))
    assert {kind for kind, _ in first.same} == {"Service", "Deployment"}
    known = msgspec.structs.replace(live(service(parent)), spec=b"", compared=True)
    second = decided(parent, settled(parent, services=[known]))
    assert (applied(second), {kind for kind, _ in second.same}) == ([], {"Deployment"})


def test_a_label_taken_away_is_put_back() -> None:
    parent = model()
    bare = live(service(parent))
    bare.metadata.labels.clear()
    assert applied(decided(parent, settled(parent, services=[bare]))) == [("Service", "digits")]


def test_a_pod_of_an_earlier_deployment_makes_nothing_ready() -> None:
    parent = model()
    left = [pod(revision(parent).name, ready=True)]
    found = decided(parent, Observed(pods=left))
    assert found.facts.ready == 0
    assert ("ControllerRevision", f"digits-{revision(parent).name}") not in applied(found)


def test_an_object_that_cannot_be_read_says_so_and_its_pods_go_on() -> None:
    before = model()
    odd = from_body(
        {"metadata": {"name": "digits", "namespace": "team", "uid": UID}, "spec": {"replicas": 1, "model": {"uri": 7}}}
    )
    found = decided(odd, settled(before))
    assert (found.apply, found.scale, found.delete) == ([], [], [])
    assert isinstance(found.facts.revision, Unresolved)
    assert "cannot be read" in found.facts.revision.message
    assert "$.spec.model.uri" in found.facts.revision.message


def test_pausing_scales_to_zero_and_removes_the_budget() -> None:
    before, after = model(replicas=2), model(replicas=0)
    found = decided(after, settled(before))
    assert found.apply[0]["spec"]["replicas"] == 0
    assert found.delete == [Removal("PodDisruptionBudget", "digits", "live")]


def test_what_cannot_be_resolved_leaves_everything_as_it_is() -> None:
    before, after = model(), model(runtime="vlm")
    found = decided(after, settled(before, history=[]))
    assert (found.apply, found.scale, found.delete) == ([], [], [])
    assert isinstance(found.facts.revision, Unresolved)


def test_what_cannot_be_resolved_can_still_be_paused() -> None:
    before, after = model(), model(runtime="vlm", replicas=0)
    found = decided(after, settled(before))
    assert found.scale == [Scale(f"digits-{revision(before).name}", "live", 0)]
    assert decided(after, settled(model(replicas=0))).scale == []


def test_pods_refused_by_quota_become_the_finding() -> None:
    parent = model()
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: gpus"}
    stuck = live(deployment(parent, revision(parent), 1), status={"conditions": [refused]})
    found = decided(parent, settled(parent, deployments=[stuck], pods=[]))
    assert found.facts.finding is not None
    assert found.facts.finding.message == "exceeded quota: gpus"


def test_only_what_the_scheduler_says_is_put_into_other_words() -> None:
    parent = model()
    verdict = "0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available."
    stuck = pod(revision(parent).name, scheduled=False, unscheduled=verdict)
    crashed = pod(revision(parent).name, containerStatuses=[restarting("server", 1, verdict)])
    told = [decided(parent, Observed(pods=[one])).facts.finding for one in (stuck, crashed)]
    assert told[0] is not None
    assert told[0].message == "1 node: 1 has too little free memory"
    assert told[1] is not None
    assert told[1].message.endswith(verdict)
