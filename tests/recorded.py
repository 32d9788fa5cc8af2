"""One recorded case for each reason: what a cluster, a kubelet or the API server really says, and what a model is then.

The texts are those of Kubernetes 1.37. Every reason of the catalogue is here, so none is there that nothing leads to.
"""

from typing import Any

import msgspec

from builders import DEFAULTS, catalog, ended, live, model, package_message, pod, restarting, running, waiting
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.model_status import ModelDeploymentStatus
from modelyard_operator.api.objects import Child, Pod
from modelyard_operator.conditions import status
from modelyard_operator.decide import asked_revision, decide
from modelyard_operator.kube.errors import ApiError, InvalidError, NotOwnedError
from modelyard_operator.observed import Observed
from modelyard_operator.reasons import Reason
from modelyard_operator.reconcile import examine_refusal
from modelyard_operator.render.deployment import deployment
from modelyard_operator.revision import Resolved

NOW = "2026-01-01T00:00:00Z"
ONE_GPU: dict[str, Any] = {"count": 1}


class Case(msgspec.Struct, frozen=True):
    """A cluster in which a model has a reason to tell."""

    reason: Reason
    spec: dict[str, Any] = {}
    pods: tuple[dict[str, Any], ...] = ()  # keywords of builders.pod, of the revision that is asked for
    deployment: dict[str, Any] | None = None  # status of its Deployment
    old: bool = False  # an older revision serves
    error: ApiError | None = None  # what the API server said to a write


def unscheduled(message: str, nodes: int = 1) -> tuple[dict[str, Any], ...]:
    """A pod that the scheduler left without a node."""
    text = f"0/{nodes} nodes are available: {message}. preemption: 0/{nodes} nodes are available: No preemption victims"
    return ({"scheduled": False, "unscheduled": text},)


def said(reason: Reason) -> str:
    """A termination message of our containers."""
    return f'{{"reason": "{reason.value}", "message": "said by the container"}}'


def fetching(reason: Reason) -> tuple[dict[str, Any], ...]:
    """A pod whose fetch container ends again and again."""
    return ({"initContainerStatuses": [restarting("fetch", 1, said(reason))]},)


def failing(message: str) -> dict[str, Any]:
    """A Deployment whose pods admission refuses."""
    text = f'pods "digits-7f3c-x" is forbidden: {message}'
    return {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": text}]}


GATE = [
    {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "non-empty scheduling gates"}
]
PREEMPTION = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "PreemptionByScheduler",
    "message": "default-scheduler: preempting to accommodate a higher priority pod",
}
FETCHED = {"initContainerStatuses": [ended("fetch", 0, package_message(), reason="Completed")]}
READY: dict[str, Any] = {"ready": True, **FETCHED}
SERVES = {"readyReplicas": 1}
STUCK = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
CASES = [
    Case(Reason.READY, pods=(READY,), deployment=SERVES),
    Case(Reason.RESOLVED, pods=(READY,), deployment=SERVES),
    Case(Reason.VERIFIED, pods=(READY,), deployment=SERVES),
    Case(Reason.SCHEDULED, pods=(READY,), deployment=SERVES),
    Case(Reason.LOADED, pods=(READY,), deployment=SERVES),
    Case(Reason.COMPLETE, pods=(READY,), deployment=SERVES),
    Case(Reason.PAUSED, {"replicas": 0}),
    Case(Reason.STARTING, pods=({},), deployment={}),
    Case(Reason.NOT_VERIFIED, pods=({},), deployment={}),
    Case(Reason.FETCHING, pods=({"initContainerStatuses": [running("fetch")]},), deployment={}),
    Case(Reason.LOADING, pods=({**FETCHED, "containerStatuses": [running("server")]},), deployment={}),
    Case(Reason.ROLLING_OUT, pods=({},), deployment={}, old=True),
    Case(Reason.ROLLOUT_PAUSED, {"rollout": {"paused": True}}, old=True),
    Case(Reason.WAITING, pods=fetching(Reason.MODEL_NOT_FOUND), deployment={}),
    Case(Reason.INSUFFICIENT_GPU, {"gpu": ONE_GPU}, unscheduled("1 Insufficient nvidia.com/gpu"), {}),
    Case(Reason.CLAIM_NOT_ALLOCATED, {"gpu": ONE_GPU}, unscheduled("1 cannot allocate all claims"), {}),
    Case(
        Reason.INVALID_CLAIM,
        {"gpu": ONE_GPU},
        unscheduled(
            "claim team/digits-x-gpu-k2p: selector #0 on device gpu.nvidia.com/node0/gpu-0: CEL runtime error: no such "
            "key: productName"
        ),
        {},
    ),
    Case(Reason.PREEMPTED, pods=({"deleted": True, "conditions": [PREEMPTION]},), deployment={}),
    Case(Reason.TAINTED, pods=unscheduled("1 node(s) had untolerated taint(s)"), deployment={}),
    Case(Reason.VOLUME_NOT_BOUND, pods=unscheduled("pod has unbound immediate PersistentVolumeClaims"), deployment={}),
    Case(Reason.UNSCHEDULABLE, pods=unscheduled("1 Insufficient memory"), deployment={}),
    Case(Reason.QUEUED, pods=({"conditions": GATE, "gates": ["kueue.x-k8s.io/admission"]},), deployment={}),
    Case(Reason.SCHEDULING_GATED, pods=({"conditions": GATE, "gates": ["example.org/hold"]},), deployment={}),
    Case(
        Reason.QUOTA_EXCEEDED,
        deployment=failing("exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, used: 2, limited: 2"),
    ),
    Case(
        Reason.LIMIT_RANGE_EXCEEDED,
        deployment=failing("maximum memory usage per Container is 512Mi, but limit is 1Gi"),
    ),
    Case(
        Reason.POD_SECURITY_VIOLATION,
        deployment=failing('violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true)'),
    ),
    Case(Reason.POD_REJECTED, deployment=failing('ValidatingAdmissionPolicy "images" denied request: no digest')),
    Case(
        Reason.IMAGE_PULL_FAILED,
        pods=({"containerStatuses": [waiting("server", "ImagePullBackOff", "Back-off", image="nowhere/x:1")]},),
        deployment={},
    ),
    Case(
        Reason.CONTAINER_CONFIG_ERROR,
        pods=(
            {"containerStatuses": [waiting("server", "CreateContainerConfigError", 'configmap "settings" not found')]},
        ),
        deployment={},
    ),
    Case(Reason.MODEL_NOT_FOUND, pods=fetching(Reason.MODEL_NOT_FOUND), deployment={}),
    Case(Reason.CREDENTIALS_REJECTED, pods=fetching(Reason.CREDENTIALS_REJECTED), deployment={}),
    Case(Reason.FETCH_FAILED, pods=fetching(Reason.FETCH_FAILED), deployment={}),
    Case(Reason.DIGEST_MISMATCH, pods=fetching(Reason.DIGEST_MISMATCH), deployment={}),
    Case(Reason.UNSAFE_FORMAT, pods=fetching(Reason.UNSAFE_FORMAT), deployment={}),
    Case(
        Reason.LOAD_FAILED,
        pods=({"containerStatuses": [restarting("server", 1, said(Reason.LOAD_FAILED))]},),
        deployment={},
    ),
    Case(
        Reason.OUT_OF_MEMORY,
        pods=({"containerStatuses": [restarting("server", 137, reason="OOMKilled")]},),
        deployment={},
    ),
    Case(Reason.CRASH_LOOP, pods=({"containerStatuses": [restarting("server", 1, "Traceback")]},), deployment={}),
    Case(Reason.PROGRESS_DEADLINE_EXCEEDED, pods=({},), deployment={"conditions": STUCK}),
    Case(Reason.RUNTIME_NOT_FOUND, {"runtime": "vlm"}),
    Case(Reason.NO_RUNTIME_FOR_FORMAT, {"model": {"uri": "s3://models/digits/1", "format": "onnx"}}),
    Case(Reason.PROFILE_NOT_FOUND, {"gpu": {"profile": "h200"}}),
    Case(Reason.NO_GPU_MECHANISM, {"gpu": {"deviceClassName": "gpu.nvidia.com"}}),
    Case(Reason.INVALID_SPEC, {"model": {"uri": "s3://bucket"}}),
    Case(
        Reason.NAME_TAKEN,
        error=NotOwnedError("Service digits exists and is not controlled by this ModelDeployment"),
    ),
    Case(
        Reason.APPLY_REJECTED,
        error=InvalidError(422, 'Deployment.apps "digits-7f3c" is invalid: spec.template: Invalid value: "Not A Name"'),
    ),
]


def told(case: Case) -> ModelDeploymentStatus:
    """The status of the model."""
    parent = model(**case.spec)
    decision = decide(parent, _observed(parent, case), catalog(), DEFAULTS)
    facts = decision.facts
    if case.error:
        facts = msgspec.structs.replace(facts, finding=examine_refusal(case.error), replaced=False)
    return status(parent, facts, NOW)


def _observed(parent: ModelDeployment, case: Case) -> Observed:
    deployments: list[Child] = []
    pods: list[Pod] = []
    asked = asked_revision(parent, [], catalog(), DEFAULTS)
    if isinstance(asked, Resolved):
        pods += [pod(asked.name, f"pod-{number}", **fields) for number, fields in enumerate(case.pods)]
        if case.deployment is not None:
            deployments.append(live(deployment(parent, asked, parent.spec.replicas), status=case.deployment))
    if case.old:
        before = asked_revision(model(model={"uri": "s3://models/digits/0"}), [], catalog(), DEFAULTS)
        assert isinstance(before, Resolved)
        deployments.append(live(deployment(parent, before, 1), "old", status=SERVES))
        pods.append(pod(before.name, "old", ready=True))
    return Observed(deployments=deployments, pods=pods)
