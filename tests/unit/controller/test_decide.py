"""Decisions: what is applied, scaled and deleted for one observed model."""

import zlib
from typing import Any

import msgspec
import pytest

from builders import DEFAULTS, UID, catalog, claim, device_class, live, model, pod, restarting, runtime
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.model_status import ModelDeploymentStatus, RolloutStatus
from modelyard_operator.conditions import status
from modelyard_operator.decide import Decision, Removal, Scale, asked_revision, decide
from modelyard_operator.observed import Observed
from modelyard_operator.reading import from_body
from modelyard_operator.reasons import Unresolved
from modelyard_operator.render.claim_template import claim_template
from modelyard_operator.render.controller_revision import controller_revision
from modelyard_operator.render.deployment import deployment
from modelyard_operator.render.disruption_budget import disruption_budget
from modelyard_operator.render.service import service
from modelyard_operator.revision import Resolved, resolve


def revision(parent: ModelDeployment, *objects: Any) -> Resolved:
    found = resolve(parent, catalog(*objects), DEFAULTS)
    assert isinstance(found, Resolved)
    return found


def settled(parent: ModelDeployment, **over: Any) -> Observed:
    """What the caches hold once everything is applied and every replica is ready."""
    asked = revision(parent)
    count = parent.spec.replicas
    base: dict[str, Any] = {
        "deployments": [live(deployment(parent, asked, count), status={"readyReplicas": count})],
        "services": [live(service(parent))],
        "history": [live(controller_revision(parent, asked, 1))],
        "pods": [pod(asked.name, f"pod-{number}", ready=True) for number in range(count)],
        "budgets": [live(one) for one in [disruption_budget(parent)] if one],
    }
    return Observed(**(base | over))


def applied(decision: Decision) -> list[tuple[str, str]]:
    return [(one["kind"], one["metadata"]["name"]) for one in decision.apply]


def decided(parent: ModelDeployment, observed: Observed, *objects: Any) -> Decision:
    return decide(parent, observed, catalog(*objects), DEFAULTS)


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


def test_the_first_time_that_it_is_ready_is_written_down() -> None:
    parent = model()
    found = decided(parent, settled(parent, history=[]))
    assert [(one["kind"], one["revision"]) for one in found.apply] == [("ControllerRevision", 1)]


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


def test_going_back_runs_the_recorded_revision_and_makes_it_the_newest() -> None:
    first, second = model(), model(model={"uri": "s3://models/digits/2"})
    history = [
        live(controller_revision(first, revision(first), 1)),
        live(controller_revision(second, revision(second), 2)),
    ]
    found = decided(first, settled(first, history=history))
    assert [(one["kind"], one["revision"]) for one in found.apply] == [("ControllerRevision", 3)]


def test_a_runtime_edit_does_not_touch_a_revision_that_was_ready() -> None:
    parent = model()
    found = decided(parent, settled(parent), runtime(image="registry.example/other:2"))
    assert (found.apply, found.delete) == ([], [])


def test_a_pod_of_an_earlier_deployment_makes_nothing_ready() -> None:
    parent = model()
    left = [pod(revision(parent).name, ready=True)]
    found = decided(parent, Observed(pods=left))
    assert found.facts.ready == 0
    assert ("ControllerRevision", f"digits-{revision(parent).name}") not in applied(found)


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


def test_an_operator_that_renders_pods_differently_restarts_no_revision_that_was_ready() -> None:
    parent = model()
    before = live(controller_revision(parent, revision(parent), 1))
    written = msgspec.json.decode(before.data())
    assert written["rendered"] == deployment(parent, revision(parent), 1)["spec"]["template"]
    rendered = {**written["rendered"], "metadata": {"labels": {"of": "an earlier version"}}}
    record = msgspec.structs.replace(
        before, packed=zlib.compress(msgspec.json.encode({**written, "rendered": rendered}))
    )
    pinned = asked_revision(parent, [record], catalog(), DEFAULTS)
    assert isinstance(pinned, Resolved)
    own = live(deployment(parent, pinned, 1), status={"readyReplicas": 1})
    assert msgspec.json.decode(own.spec)["template"] == rendered
    assert applied(decided(parent, settled(parent, history=[record], deployments=[own]))) == []


def test_a_record_is_never_written_with_other_content() -> None:
    first, second = model(), model(model={"uri": "s3://models/digits/2"})
    record = live(controller_revision(first, revision(first), 1))
    content = msgspec.json.decode(record.data()) | {"writtenByALaterVersion": True}
    foreign = msgspec.structs.replace(record, packed=zlib.compress(msgspec.json.encode(content)))
    newest = live(controller_revision(second, revision(second), 2))
    assert applied(decided(first, settled(first, history=[foreign]))) == []
    found = decided(first, settled(first, history=[foreign, newest]))
    assert [one["data"] for one in found.apply] == [content]


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


def test_a_runtime_edit_helps_a_revision_that_never_was() -> None:
    parent = model()
    other = runtime(image="registry.example/other:2")
    found = decided(parent, settled(parent, history=[], pods=[]), other)
    assert applied(found) == [("Deployment", f"digits-{revision(parent, other).name}")]
    assert found.delete == [Removal("Deployment", f"digits-{revision(parent).name}", "live")]


def test_a_record_that_cannot_be_read_any_more_is_resolved_anew() -> None:
    parent = model()
    record = live(controller_revision(parent, revision(parent), 1))
    unreadable = msgspec.structs.replace(record, packed=zlib.compress(b'{"intent": 1}'))
    assert asked_revision(parent, [unreadable], catalog(), DEFAULTS) == revision(parent)


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


def test_old_records_beyond_the_limit_are_removed() -> None:
    parent = model()
    others = [model(model={"uri": f"s3://models/digits/{number}"}) for number in range(2, 14)]
    history = [live(controller_revision(one, revision(one), number)) for number, one in enumerate(others, 1)]
    own = live(controller_revision(parent, revision(parent), 20))
    found = decided(parent, settled(parent, history=[*history, own]))
    assert [one.name for one in found.delete] == [f"digits-{revision(one).name}" for one in (others[1], others[0])]


def test_records_are_kept_as_many_as_asked_for_but_not_of_revisions_that_run() -> None:
    before = model(model={"uri": "s3://models/digits/0"})
    parent = model(rollout={"revisionHistoryLimit": 0})
    history = [
        live(controller_revision(before, revision(before), 1)),
        live(controller_revision(parent, revision(parent), 2)),
    ]
    assert [one.name for one in decided(parent, settled(parent, history=history)).delete] == [
        f"digits-{revision(before).name}"
    ]
    running = [*settled(parent).deployments, *settled(before).deployments]
    found = decided(parent, settled(parent, history=history, deployments=running, pods=settled(before).pods))
    assert "ControllerRevision" not in [one.kind for one in found.delete]


def test_a_deployment_that_is_being_deleted_is_not_deleted_again() -> None:
    before, after = model(), model(replicas=0, model={"uri": "s3://models/digits/2"})
    going = settled(before).deployments[0]
    going = msgspec.structs.replace(
        going, metadata=msgspec.structs.replace(going.metadata, deletion_timestamp="2026-01-01T00:00:00Z")
    )
    assert decided(after, settled(after, deployments=[going])).delete == []


def test_pods_refused_by_quota_become_the_finding() -> None:
    parent = model()
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: gpus"}
    stuck = live(deployment(parent, revision(parent), 1), status={"conditions": [refused]})
    found = decided(parent, settled(parent, deployments=[stuck], pods=[]))
    assert found.facts.finding is not None
    assert found.facts.finding.message == "exceeded quota: gpus"


DRA = {"allocation": "DRA"}
AMD = {"allocation": "DRA", "vendor": "amd"}
CLASSES = (device_class("gpu.nvidia.com"), device_class("gpu.amd.com"))


def template(parent: ModelDeployment) -> Any:
    found = claim_template(parent, revision(parent, *CLASSES))
    assert found is not None
    return found


def test_a_claim_template_comes_before_the_deployment_that_names_it() -> None:
    parent = model(gpu=DRA)
    found = decided(parent, Observed(), *CLASSES)
    name = template(parent)["metadata"]["name"]
    assert applied(found)[0] == ("ResourceClaimTemplate", name)
    pods = found.apply[2]["spec"]["template"]["spec"]
    assert pods["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": name}]
    assert pods["containers"][0]["resources"]["claims"] == [{"name": "gpu"}]
    assert found.facts.claim_template == name


def test_a_claim_template_of_the_user_is_named_and_not_made() -> None:
    parent = model(gpu={"resourceClaimTemplateName": "mine"})
    found = decided(parent, Observed(), *CLASSES)
    assert "ResourceClaimTemplate" not in [kind for kind, _ in applied(found)]
    assert found.facts.claim_template == "mine"


def test_revisions_that_ask_for_the_same_devices_share_a_template() -> None:
    first, second = model(gpu=DRA), model(gpu=DRA, model={"uri": "s3://models/digits/2"})
    assert template(first) == template(second)
    found = decided(second, Observed(claim_templates=[live(template(first))]), *CLASSES)
    assert "ResourceClaimTemplate" not in [kind for kind, _ in applied(found)]


def test_pods_that_were_rendered_before_keep_the_name_of_their_template() -> None:
    asked = revision(model(gpu=DRA), *CLASSES)
    spec = {"resourceClaims": [{"name": "mine"}, {"name": "gpu", "resourceClaimTemplateName": "digits-gpu-before"}]}
    spec["resourceClaims"][0]["resourceClaimName"] = "mine"
    before = msgspec.structs.replace(asked, rendered={"spec": spec})
    found = claim_template(model(gpu=DRA), before)
    assert found is not None
    assert found["metadata"]["name"] == "digits-gpu-before"


def test_a_superseded_template_goes_after_the_last_pod_that_names_it() -> None:
    before, after = model(gpu=DRA), model(gpu=AMD)
    old, new = template(before), template(after)
    asked = revision(after, *CLASSES)
    own = live(deployment(after, asked, 1), status={"readyReplicas": 1})
    ready = pod(asked.name, ready=True, template=new["metadata"]["name"])
    leaving = pod("r0", "leaving", deleted=True, template=old["metadata"]["name"])
    both = Observed(deployments=[own], pods=[ready, leaving], claim_templates=[live(old), live(new)])
    assert decided(after, both, *CLASSES).delete == []
    gone = msgspec.structs.replace(both, pods=[ready])
    assert decided(after, gone, *CLASSES).delete == [Removal("ResourceClaimTemplate", old["metadata"]["name"], "live")]


def test_devices_of_the_asked_revision_are_told() -> None:
    parent = model(gpu=DRA)
    name = revision(parent, *CLASSES).name
    pods = [pod(name, "a"), pod("older", "b")]
    found = decided(parent, Observed(pods=pods, claims=[claim("a", "gpu-0"), claim("b", "gpu-1")]), *CLASSES)
    assert [one.device for one in found.facts.allocated] == ["gpu-0"]


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
