"""From pods to causes: one row for each reason, made of what the kubelet and the scheduler really say."""

from typing import Any

import msgspec
import pytest

from builders import ended, package_message, pod, restarting, running, waiting
from modelyard_operator.api.objects import Child
from modelyard_operator.diagnosis import (
    Finding,
    Stage,
    deadline_exceeded,
    examine,
    examine_deployment,
    live_pods,
    package,
    preempted,
    remedy,
    worst,
)
from modelyard_operator.gpu import GpuRequest
from modelyard_operator.reasons import CATALOGUE, Reason

NO_GPU = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. preemption: 0/1 nodes are available."


def report(reason: str, message: str = "said by the container") -> str:
    return msgspec.json.encode({"reason": reason, "message": message}).decode()


FETCH = "initContainerStatuses"
SERVER = "containerStatuses"

ROWS = [
    pytest.param({"scheduled": False, "unscheduled": NO_GPU}, Reason.INSUFFICIENT_GPU, id="no free GPU"),
    pytest.param(
        {
            "scheduled": False,
            "unscheduled": "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
        },
        Reason.INSUFFICIENT_GPU,
        id="GPUs of another product",
    ),
    pytest.param(
        {"scheduled": False, "unscheduled": "0/1 nodes are available: 1 Insufficient memory."},
        Reason.UNSCHEDULABLE,
        id="no memory on any node",
    ),
    pytest.param(
        {"scheduled": False, "unscheduled": 'persistentvolumeclaim "models" not found'},
        Reason.MODEL_NOT_FOUND,
        id="claim that does not exist",
    ),
    pytest.param(
        {FETCH: [waiting("fetch", "ImagePullBackOff", "Back-off", image="nowhere/x:1")]},
        Reason.IMAGE_PULL_FAILED,
        id="fetch image that does not exist",
    ),
    pytest.param(
        {SERVER: [waiting("server", "ErrImagePull", "not found", image="nowhere/x:1")]},
        Reason.IMAGE_PULL_FAILED,
        id="server image that does not exist",
    ),
    pytest.param(
        {SERVER: [waiting("server", "InvalidImageName", image="NOT A NAME")]},
        Reason.IMAGE_PULL_FAILED,
        id="no image name",
    ),
    pytest.param(
        {SERVER: [waiting("server", "CreateContainerConfigError", 'configmap "c" not found')]},
        Reason.CONTAINER_CONFIG_ERROR,
        id="ConfigMap that does not exist",
    ),
    pytest.param(
        {FETCH: [ended("fetch", 1, report("ModelNotFound"))]}, Reason.MODEL_NOT_FOUND, id="nothing at the address"
    ),
    pytest.param(
        {FETCH: [restarting("fetch", 1, report("CredentialsRejected"))]}, Reason.CREDENTIALS_REJECTED, id="403"
    ),
    pytest.param(
        {FETCH: [restarting("fetch", 1, report("DigestMismatch"))]}, Reason.DIGEST_MISMATCH, id="other digest"
    ),
    pytest.param({FETCH: [restarting("fetch", 1, report("UnsafeFormat"))]}, Reason.UNSAFE_FORMAT, id="pickle inside"),
    pytest.param({FETCH: [restarting("fetch", 1, report("FetchFailed"))]}, Reason.FETCH_FAILED, id="store is down"),
    pytest.param({FETCH: [restarting("fetch", 1, report("Unheard"))]}, Reason.FETCH_FAILED, id="unknown reason"),
    pytest.param(
        {SERVER: [restarting("server", 1, report("LoadFailed"))]}, Reason.LOAD_FAILED, id="model does not load"
    ),
    pytest.param({SERVER: [restarting("server", 137, reason="OOMKilled")]}, Reason.OUT_OF_MEMORY, id="out of memory"),
    pytest.param(
        {SERVER: [restarting("server", 1, "Traceback")]}, Reason.CRASH_LOOP, id="crashes without a word of ours"
    ),
    pytest.param({SERVER: [ended("server", 3)]}, Reason.CRASH_LOOP, id="has just crashed"),
]


@pytest.mark.parametrize(("status", "reason"), ROWS)
def test_cause(status: dict[str, Any], reason: Reason) -> None:
    finding = examine(pod("r1", **status), GpuRequest(resource_name="nvidia.com/gpu", count=1))
    assert finding.reason is reason
    assert finding.message


STAGES = [
    pytest.param(pod("r1", ready=True), Stage.READY, id="ready"),
    pytest.param(pod("r1"), Stage.STARTING, id="placed"),
    pytest.param(
        msgspec.structs.replace(pod("r1"), status=msgspec.convert({}, type(pod("r1").status))), Stage.PENDING, id="new"
    ),
    pytest.param(pod("r1", initContainerStatuses=[running("fetch")]), Stage.FETCHING, id="fetching"),
    pytest.param(pod("r1", initContainerStatuses=[ended("fetch", 0)]), Stage.FETCHING, id="fetched"),
    pytest.param(
        pod("r1", initContainerStatuses=[ended("fetch", 0)], containerStatuses=[running("server")]),
        Stage.LOADING,
        id="loading",
    ),
    pytest.param(
        pod("r1", containerStatuses=[running("server") | {"lastState": ended("server", 1)["state"]}]),
        Stage.LOADING,
        id="crashed once and runs again",
    ),
    pytest.param(
        pod("r1", initContainerStatuses=[waiting("fetch", "CreateContainerConfigError", 'secret "s" not found')]),
        Stage.STARTING,
        id="secret that the kubelet has not seen yet",
    ),
]


@pytest.mark.parametrize(("found", "stage"), STAGES)
def test_stage(found: Any, stage: Stage) -> None:
    assert examine(found) == Finding(stage)


def test_scheduling_gates_are_told_apart() -> None:
    gated = pod("r1", conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}])
    assert examine(gated).reason is Reason.SCHEDULING_GATED


def test_pods_that_kueue_holds_back_are_told_apart() -> None:
    gated: dict[str, Any] = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}
    assert examine(pod("r1", gates=["kueue.x-k8s.io/admission"], **gated)).reason is Reason.QUEUED


def disrupted(status: str, reason: str) -> Any:
    condition = {
        "type": "DisruptionTarget",
        "status": status,
        "reason": reason,
        "message": "default-scheduler: preempting to accommodate a higher priority pod",
    }
    return pod("r1", deleted=True, conditions=[condition])


def test_a_preempted_pod_says_so() -> None:
    found = preempted(disrupted("True", "PreemptionByScheduler"))
    assert found is not None
    assert found.reason is Reason.PREEMPTED
    assert found.message.startswith("pod pod-0 was preempted (default-scheduler: ")


def test_other_disruptions_are_no_preemption() -> None:
    assert preempted(disrupted("False", "PreemptionByScheduler")) is None
    assert preempted(disrupted("True", "EvictionByEvictionAPI")) is None
    assert preempted(pod("r1")) is None


def test_without_a_gpu_request_affinity_is_an_ordinary_cause() -> None:
    found = examine(pod("r1", scheduled=False, unscheduled="didn't match Pod's node affinity/selector"))
    assert found.reason is Reason.UNSCHEDULABLE


def test_pods_that_leave_or_have_failed_do_not_count() -> None:
    assert live_pods([pod("r1", deleted=True), pod("r1", phase="Failed")]) == []


def test_a_pod_that_leaves_is_not_ready() -> None:
    assert examine(pod("r1", ready=True, deleted=True)).stage is not Stage.READY


def test_package_of_the_first_pod_that_fetched() -> None:
    nothing = pod("r1", initContainerStatuses=[ended("fetch", 0, "no JSON"), ended("other", 0, package_message())])
    fetched = pod("r1", initContainerStatuses=[ended("fetch", 0, package_message())])
    found = package([pod("r1"), nothing, fetched])
    assert found is not None
    assert (found.version, found.format) == ("1", "torch")
    assert package([nothing]) is None


def deployment(*conditions: dict[str, str], observed: int = 1) -> Child:
    body = {
        "metadata": {"name": "d", "generation": 1},
        "status": {"observedGeneration": observed, "conditions": conditions},
    }
    return msgspec.convert(body, Child)


REFUSALS = [
    pytest.param('pods "x" is forbidden: exceeded quota: gpus', Reason.QUOTA_EXCEEDED, id="quota"),
    pytest.param(
        'pods "x" is forbidden: violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true)',
        Reason.POD_SECURITY_VIOLATION,
        id="pod security",
    ),
    pytest.param(
        'pods "x" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi',
        Reason.LIMIT_RANGE_EXCEEDED,
        id="limit range",
    ),
    pytest.param(
        'pods "x" is forbidden: cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000',
        Reason.LIMIT_RANGE_EXCEEDED,
        id="limit range of a ratio",
    ),
    pytest.param('admission webhook "policy" denied the request', Reason.POD_REJECTED, id="a policy"),
]


@pytest.mark.parametrize(("message", "reason"), REFUSALS)
def test_pods_that_could_not_be_created(message: str, reason: Reason) -> None:
    found = examine_deployment(deployment({"type": "ReplicaFailure", "status": "True", "message": message}))
    assert found == Finding(Stage.PENDING, reason, message)
    assert examine_deployment(deployment({"type": "Available", "status": "True"})) is None


def test_the_deadline_counts_only_when_the_deployment_is_up_to_date() -> None:
    condition = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    assert deadline_exceeded(deployment(condition))
    assert not deadline_exceeded(deployment(condition, observed=0))
    assert not deadline_exceeded(deployment())


def test_the_worst_finding_is_what_must_be_mended_first() -> None:
    gpu = Finding(Stage.PENDING, Reason.INSUFFICIENT_GPU, "b")
    digest = Finding(Stage.FETCHING, Reason.DIGEST_MISMATCH, "a")
    odd = Finding(Stage.PENDING, Reason.NAME_TAKEN, "c")
    assert worst([Finding(Stage.LOADING), odd, gpu, digest]) is digest
    assert worst([Finding(Stage.LOADING)]) is None
    assert remedy(Reason.DIGEST_MISMATCH) == CATALOGUE[Reason.DIGEST_MISMATCH].remedy
