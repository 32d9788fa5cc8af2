"""Status: what a user reads in every phase of a model."""

from typing import Any

import msgspec
import pytest

from builders import DEFAULTS, catalog, device_class, model
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.model_status import (
    AllocatedDevice,
    ModelDeploymentStatus,
    ModelStatus,
    RevisionStatus,
    RolloutStatus,
)
from modelyard_operator.conditions import ALLOCATED_LIMIT, MESSAGE_LIMIT, as_document, status
from modelyard_operator.diagnosis import Finding, Package, Stage
from modelyard_operator.facts import Facts
from modelyard_operator.reasons import Reason, Unresolved
from modelyard_operator.revision import resolve

NOW = "2026-01-01T00:00:00Z"
LATER = "2026-01-01T00:01:00Z"
DIGEST = "sha256:" + "a" * 64


def facts(parent: ModelDeployment, **over: Any) -> Facts:
    base: dict[str, Any] = {
        "revision": resolve(parent, catalog(), DEFAULTS),
        "pods": 0,
        "ready": 0,
        "stage": Stage.PENDING,
        "finding": None,
        "deadline_exceeded": False,
        "replaced": True,
        "revisions": [],
        "package": None,
        "selector": "a=b",
        "url": "http://digits.team.svc",
    }
    return Facts(**(base | over))


def conditions(found: ModelDeploymentStatus) -> dict[str, tuple[str, str]]:
    return {one.type: (one.status, one.reason) for one in found.conditions}


def message(found: ModelDeploymentStatus, kind: str = "Ready") -> str:
    return next(one.message for one in found.conditions if one.type == kind)


PHASES = [
    pytest.param({}, {}, ("False", "Starting"), "Starting pods, 0 of 1 ready", id="just created"),
    pytest.param({}, {"stage": Stage.FETCHING}, ("False", "Fetching"), "Fetching model, 0 of 1 ready", id="fetching"),
    pytest.param({}, {"stage": Stage.LOADING}, ("False", "Loading"), "Loading model, 0 of 1 ready", id="loading"),
    pytest.param({}, {"ready": 1, "stage": Stage.READY}, ("True", "Ready"), "Ready", id="ready"),
    pytest.param({"replicas": 0}, {}, ("False", "Paused"), "Paused", id="paused"),
    pytest.param(
        {"replicas": 2},
        {"ready": 1, "replaced": False, "revisions": [RevisionStatus(name="old", replicas=1, ready=1)]},
        ("False", "RollingOut"),
        "Rolling out, 1 of 2 ready",
        id="rolling out",
    ),
    pytest.param(
        {},
        {"finding": Finding(Stage.FETCHING, Reason.DIGEST_MISMATCH, "expected a, got b")},
        ("False", "DigestMismatch"),
        "DigestMismatch: expected a, got b. Publish the right package, or pin the digest that you trust.",
        id="wrong digest",
    ),
    pytest.param(
        {},
        {"deadline_exceeded": True},
        ("False", "ProgressDeadlineExceeded"),
        None,
        id="stuck without a cause",
    ),
]


@pytest.mark.parametrize(("spec", "over", "ready", "summary"), PHASES)
def test_ready_and_summary(
    spec: dict[str, Any], over: dict[str, Any], ready: tuple[str, str], summary: str | None
) -> None:
    parent = model(generation=7, **spec)
    found = status(parent, facts(parent, **over), NOW)
    assert conditions(found)["Ready"] == ready
    assert summary is None or found.summary == summary
    assert found.observed_generation == 7
    assert all(one.observed_generation == 7 for one in found.conditions)


def test_a_model_that_is_ready_says_so_everywhere() -> None:
    parent = model()
    package = Package(digest=DIGEST, version="1", format="torch")
    found = status(parent, facts(parent, ready=1, stage=Stage.READY, package=package), NOW)
    assert conditions(found) == {
        "Ready": ("True", "Ready"),
        "Progressing": ("False", "Complete"),
        "ModelResolved": ("True", "Resolved"),
        "ModelVerified": ("True", "Verified"),
        "Scheduled": ("True", "Scheduled"),
        "Loaded": ("True", "Loaded"),
    }
    assert found.ready_revision == found.revision
    assert found.model == ModelStatus(digest=DIGEST, version="1", format="torch", verified=True)
    assert found.ready == "1/1"


def test_a_shortage_of_gpus_is_told_in_numbers() -> None:
    parent = model(replicas=5, gpu={})
    scheduler = Finding(Stage.PENDING, Reason.INSUFFICIENT_GPU, "1 node: 1 has no free nvidia.com/gpu")
    found = status(parent, facts(parent, ready=4, finding=scheduler), NOW)
    assert conditions(found)["Scheduled"] == ("False", "InsufficientGPU")
    assert conditions(found)["Progressing"] == ("False", "Waiting")
    assert message(found) == (
        "4 of 5 replicas are ready, 1 waits for 1 nvidia.com/gpu: 1 node: 1 has no free nvidia.com/gpu. "
        "Free GPUs, add a node, ask for fewer (spec.gpu, spec.replicas), or wait."
    )
    assert found.summary == "Waiting for GPU: 4 of 5 replicas ready, 1 node: 1 has no free nvidia.com/gpu"
    assert found.gpu is not None
    assert found.gpu.request == "1 nvidia.com/gpu"


def test_a_claim_is_told_with_its_devices_and_only_the_first_of_them() -> None:
    parent = model(gpu={"allocation": "DRA"})
    devices = [
        AllocatedDevice(pod=f"pod-{one}", driver="gpu.nvidia.com", pool="n", device="gpu-0") for one in range(20)
    ]
    asked = resolve(parent, catalog(device_class()), DEFAULTS)
    found = status(parent, facts(parent, revision=asked, claim_template="digits-gpu-1", allocated=devices), NOW).gpu
    assert found is not None
    assert (found.mechanism, found.resource_name, found.device_class) == ("DRA", None, "gpu.nvidia.com")
    assert (found.claim_template, found.reason) == ("digits-gpu-1", "gpu.allocation says DRA.")
    assert found.allocated == devices[:ALLOCATED_LIMIT]


def test_a_rollout_is_told_with_its_strategy() -> None:
    parent = model(replicas=2)
    old = [RevisionStatus(name="old", replicas=1, ready=1)]
    rollout = RolloutStatus(strategy="Borrow", message="Borrow: …", served=2)
    found = status(parent, facts(parent, replaced=False, revisions=old, rollout=rollout), NOW)
    assert found.rollout == rollout
    assert conditions(found)["Ready"] == ("False", "RollingOut")


def test_a_paused_rollout_says_so() -> None:
    parent = model(replicas=2, rollout={"paused": True})
    old = [RevisionStatus(name="old", replicas=2, ready=2)]
    rollout = RolloutStatus(strategy="Auto", message="rollout.paused is set: nothing is started or replaced")
    found = status(parent, facts(parent, replaced=False, revisions=old, rollout=rollout), NOW)
    assert conditions(found)["Ready"] == ("False", "RolloutPaused")
    assert conditions(found)["Progressing"] == ("False", "RolloutPaused")
    assert found.summary == "Rollout paused, 0 of 2 ready"


def test_a_status_stays_small_with_a_hundred_replicas() -> None:
    classes = [f"a-device-class-with-a-long-name-{number}.example.org" for number in range(8)]
    parent = model(replicas=100, gpu={"alternatives": [{"deviceClassName": name} for name in classes]})
    name = "a-model-with-the-longest-name-that-there-can-be-50-7f3c9d1e2a"
    devices = [
        AllocatedDevice(pod=f"{name}-abcde", driver="gpu.nvidia.com", pool="a-node-with-a-long-name", device="gpu-0")
        for _ in range(100)
    ]
    cause = Finding(Stage.PENDING, Reason.INSUFFICIENT_GPU, "x" * 5000)
    asked = resolve(parent, catalog(*(device_class(name) for name in classes)), DEFAULTS)
    revisions = [RevisionStatus(name=f"{one:010d}", replicas=1, ready=1) for one in range(10)]
    rollout = RolloutStatus(strategy="Borrow", message="y" * 100, served=100)
    found = status(
        parent,
        facts(
            parent,
            revision=asked,
            finding=cause,
            revisions=revisions,
            allocated=devices,
            rollout=rollout,
            claim_template=name,
        ),
        NOW,
    )
    assert found.gpu is not None
    assert len(msgspec.json.encode(as_document(found))) < 8192


def test_what_cannot_be_resolved_keeps_the_revision_that_serves() -> None:
    before = ModelDeploymentStatus(revision="r1", ready_revision="r1", runtime="modelyard-server")
    parent = model(runtime="vlm", status=before)
    found = status(parent, facts(parent, revision=Unresolved(Reason.RUNTIME_NOT_FOUND, "no runtime vlm")), NOW)
    assert conditions(found)["Ready"] == ("False", "RuntimeNotFound")
    assert conditions(found)["ModelResolved"] == ("False", "RuntimeNotFound")
    assert conditions(found)["Scheduled"] == ("Unknown", "RuntimeNotFound")
    assert conditions(found)["Progressing"] == ("False", "Waiting")
    assert (found.revision, found.ready_revision) == ("r1", "r1")


def test_a_failing_update_says_that_the_old_revision_serves() -> None:
    parent = model()
    old = [RevisionStatus(name="old", replicas=1, ready=1)]
    bad = Finding(Stage.LOADING, Reason.LOAD_FAILED, "weights do not fit")
    assert message(status(parent, facts(parent, finding=bad, revisions=old), NOW)).endswith(
        "; the previous revision goes on serving"
    )


ELSEWHERE = [
    (Reason.MODEL_NOT_FOUND, "ModelResolved"),
    (Reason.UNSAFE_FORMAT, "ModelVerified"),
    (Reason.QUOTA_EXCEEDED, "Scheduled"),
    (Reason.OUT_OF_MEMORY, "Loaded"),
    (Reason.NAME_TAKEN, "Progressing"),
]


@pytest.mark.parametrize(("reason", "kind"), ELSEWHERE)
def test_a_cause_shows_in_its_own_condition_too(reason: Reason, kind: str) -> None:
    parent = model()
    found = status(parent, facts(parent, finding=Finding(Stage.PENDING, reason, "because")), NOW)
    assert conditions(found)[kind] == ("False", reason.value)
    assert conditions(found)["Ready"] == ("False", reason.value)


def test_a_deadline_with_a_cause_shows_both() -> None:
    parent = model(rollout={"progressDeadline": "20m"})
    bad = Finding(Stage.LOADING, Reason.LOAD_FAILED, "weights do not fit")
    found = status(parent, facts(parent, finding=bad, deadline_exceeded=True), NOW)
    assert conditions(found)["Ready"] == ("False", "LoadFailed")
    assert conditions(found)["Progressing"] == ("False", "ProgressDeadlineExceeded")
    assert "20m" in message(found, "Progressing")


def test_the_time_of_a_condition_changes_only_with_its_status() -> None:
    parent = model()
    first = status(parent, facts(parent), NOW)
    second = status(msgspec.structs.replace(parent, status=first), facts(parent, stage=Stage.LOADING), LATER)
    third = status(msgspec.structs.replace(parent, status=second), facts(parent, ready=1, stage=Stage.READY), LATER)
    times = [
        next(one.last_transition_time for one in found.conditions if one.type == "Ready") for found in (second, third)
    ]
    assert times == [NOW, LATER]


def test_nothing_new_is_the_same_status() -> None:
    parent = model()
    first = status(parent, facts(parent), NOW)
    assert status(msgspec.structs.replace(parent, status=first), facts(parent), LATER) == first


def test_what_was_verified_stays_while_the_revision_serves() -> None:
    parent = model()
    package = Package(digest=DIGEST, version="1", format="torch")
    first = status(parent, facts(parent, ready=1, stage=Stage.READY, package=package), NOW)
    again = status(msgspec.structs.replace(parent, status=first), facts(parent, ready=0), LATER)
    assert again.model.digest == DIGEST


def test_long_messages_are_cut() -> None:
    parent = model()
    found = status(parent, facts(parent, finding=Finding(Stage.LOADING, Reason.LOAD_FAILED, "x" * 5000)), NOW)
    assert len(message(found)) == MESSAGE_LIMIT
    assert len(found.summary) <= 160


def test_the_document_is_in_the_api_s_own_words() -> None:
    parent = model()
    document = as_document(status(parent, facts(parent), NOW))
    assert {"observedGeneration", "conditions", "summary"} <= set(document)


def test_a_condition_is_found_among_all_by_its_type() -> None:
    parent = model(replicas=0)
    found = status(parent, facts(parent), NOW)
    ready = found.condition("Ready")
    assert ready is not None
    assert (ready.reason, found.condition("Cheerful")) == ("Paused", None)
