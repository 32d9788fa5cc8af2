"""Pods and Deployments -> findings: where each pod stands and what holds it up. Pure."""

import re
from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

import msgspec
from msgspec import Struct

from . import placement
from .api.names import FETCH_CONTAINER
from .api.objects import Child, ContainerStatus, ObjectCondition, Pod, Terminated
from .gpu import GpuRequest
from .reading import DEADLINE
from .reasons import CATALOGUE, Reason


class Stage(IntEnum):
    """How far a pod has come."""

    PENDING = 0
    STARTING = 1
    FETCHING = 2
    LOADING = 3
    READY = 4


class Finding(NamedTuple):
    """Where a pod stands; with a reason when something holds it up."""

    stage: Stage
    reason: Reason | None = None
    message: str = ""


class Package(Struct, frozen=True, rename="camel"):
    """What the fetch container says of the package when it ends well."""

    digest: str
    version: str = ""
    format: str = ""


class _Report(Struct, frozen=True):
    """What a container of ours says when it fails: a JSON object in its termination message."""

    reason: str
    message: str


_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
# Texts of the admission plugins ResourceQuota, PodSecurity and LimitRanger.
_REFUSALS = (
    (re.compile("exceeded quota"), Reason.QUOTA_EXCEEDED),
    (re.compile("violates PodSecurity"), Reason.POD_SECURITY_VIOLATION),
    (re.compile(r"(minimum|maximum) \S+ usage per |limit to request ratio per "), Reason.LIMIT_RANGE_EXCEEDED),
)
_REPORTED = frozenset(reason.value for reason in Reason)


def live_pods(pods: Iterable[Pod]) -> list[Pod]:
    """Pods that are not on their way out."""
    return [pod for pod in pods if pod.metadata.deletion_timestamp is None and pod.status.phase != "Failed"]


def is_ready(pod: Pod) -> bool:
    """Whether the pod answers requests."""
    ready = pod.condition("Ready")
    return pod.metadata.deletion_timestamp is None and ready is not None and ready.status == "True"


def package(pods: Iterable[Pod]) -> Package | None:
    """What was fetched, from the first pod whose fetch container ended well."""
    for pod in pods:
        for status in pod.status.init_container_statuses:
            ended = status.state.terminated
            if status.name == FETCH_CONTAINER and ended is not None and ended.exit_code == 0:
                try:
                    return msgspec.json.decode(ended.message, type=Package)
                except msgspec.DecodeError:
                    continue
    return None


def examine(pod: Pod, request: GpuRequest | None = None) -> Finding:
    """Where one pod stands."""
    if is_ready(pod):
        return Finding(Stage.READY)
    scheduled = pod.condition("PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        return _unscheduled(pod, scheduled, request)
    for status in pod.status.init_container_statuses:
        if finding := _held_up(status, Stage.FETCHING):
            return finding
    for status in pod.status.container_statuses:
        if finding := _held_up(status, Stage.LOADING):
            return finding
    return Finding(_stage(pod))


def _unscheduled(pod: Pod, scheduled: ObjectCondition, request: GpuRequest | None) -> Finding:
    message = scheduled.message
    if scheduled.reason == "SchedulingGated":
        if placement.is_queued(pod):
            return Finding(Stage.PENDING, Reason.QUEUED, "the pods wait for Kueue to admit them")
        return Finding(Stage.PENDING, Reason.SCHEDULING_GATED, message or "the pod has scheduling gates")
    if "persistentvolumeclaim" in message and "not found" in message:
        return Finding(Stage.PENDING, Reason.MODEL_NOT_FOUND, f"{message}: correct spec.model.uri or create the claim")
    return Finding(Stage.PENDING, placement.reason(message, request), message)


def preempted(pod: Pod) -> Finding | None:
    """That a pod which leaves, or has left, was preempted."""
    disrupted = pod.condition("DisruptionTarget")
    if disrupted is None or disrupted.status != "True" or disrupted.reason != "PreemptionByScheduler":
        return None
    return Finding(Stage.PENDING, Reason.PREEMPTED, f"pod {pod.metadata.name} was preempted ({disrupted.message})")


def _held_up(status: ContainerStatus, stage: Stage) -> Finding | None:
    waiting, ended = status.state.waiting, status.state.terminated or status.last_state.terminated
    if waiting is not None and waiting.reason in _PULL:
        detail = waiting.message or waiting.reason
        return Finding(Stage.STARTING, Reason.IMAGE_PULL_FAILED, f"image {status.image}: {detail}")
    if waiting is not None and waiting.reason in _CONFIG and "secret" not in waiting.message:
        return Finding(Stage.STARTING, Reason.CONTAINER_CONFIG_ERROR, f"container {status.name}: {waiting.message}")
    if ended is None or ended.exit_code == 0:
        return None
    return _ended(status, ended, stage)


def _ended(status: ContainerStatus, ended: Terminated, stage: Stage) -> Finding | None:
    if ended.reason == "OOMKilled":
        text = (
            f"container {status.name} was killed for using more memory than its limit ({status.restart_count} restarts)"
        )
        return Finding(stage, Reason.OUT_OF_MEMORY, text)
    if report := _report(ended.message):
        return Finding(stage, Reason(report.reason), report.message)
    backing_off = status.state.waiting is not None and status.state.waiting.reason == "CrashLoopBackOff"
    if backing_off or status.state.terminated is not None:
        said = f": {ended.message.strip()[-300:]}" if ended.message.strip() else ""
        text = f"container {status.name} ended with exit code {ended.exit_code} ({status.restart_count} restarts){said}"
        return Finding(stage, Reason.CRASH_LOOP, text)
    # It ended once and runs again: judge it by what it does now.
    return None


def _report(message: str) -> _Report | None:
    try:
        report = msgspec.json.decode(message, type=_Report)
    except msgspec.DecodeError:
        return None
    return report if report.reason in _REPORTED else _Report(Reason.FETCH_FAILED, f"{report.reason}: {report.message}")


def _stage(pod: Pod) -> Stage:
    fetched = [status for status in pod.status.init_container_statuses if status.state.terminated is not None]
    if any(status.state.running is not None for status in pod.status.container_statuses):
        return Stage.LOADING
    if fetched or any(status.state.running is not None for status in pod.status.init_container_statuses):
        return Stage.FETCHING
    scheduled = pod.condition("PodScheduled")
    return Stage.STARTING if scheduled is not None and scheduled.status == "True" else Stage.PENDING


def examine_deployment(deployment: Child) -> Finding | None:
    """What a Deployment knows that no pod can: pods that could not be created, and the deadline."""
    for condition in deployment.status.conditions:
        if condition.type == "ReplicaFailure" and condition.status == "True":
            found = next(
                (reason for words, reason in _REFUSALS if words.search(condition.message)), Reason.POD_REJECTED
            )
            return Finding(Stage.PENDING, found, condition.message)
    return None


def deadline_exceeded(deployment: Child) -> bool:
    """Whether the Deployment gave up waiting for progress."""
    fresh = deployment.status.observed_generation >= deployment.metadata.generation
    return fresh and any(
        condition.type == "Progressing" and condition.reason == DEADLINE for condition in deployment.status.conditions
    )


# From the cause that a user must mend first to the one that may pass by itself.
_SEVERITY = (
    Reason.DIGEST_MISMATCH,
    Reason.UNSAFE_FORMAT,
    Reason.MODEL_NOT_FOUND,
    Reason.CREDENTIALS_REJECTED,
    Reason.LOAD_FAILED,
    Reason.OUT_OF_MEMORY,
    Reason.IMAGE_PULL_FAILED,
    Reason.CONTAINER_CONFIG_ERROR,
    Reason.QUOTA_EXCEEDED,
    Reason.LIMIT_RANGE_EXCEEDED,
    Reason.POD_SECURITY_VIOLATION,
    Reason.POD_REJECTED,
    Reason.INVALID_CLAIM,
    Reason.VOLUME_NOT_BOUND,
    Reason.PREEMPTED,
    Reason.INSUFFICIENT_GPU,
    Reason.CLAIM_NOT_ALLOCATED,
    Reason.FETCH_FAILED,
    Reason.CRASH_LOOP,
    Reason.TAINTED,
    Reason.UNSCHEDULABLE,
    Reason.QUEUED,
    Reason.SCHEDULING_GATED,
)


def worst(findings: Iterable[Finding]) -> Finding | None:
    """The finding that a user must mend first; None when nothing holds a pod up."""
    held_up = [finding for finding in findings if finding.reason is not None]
    return min(held_up, key=lambda one: (_rank(one.reason), one.message)) if held_up else None


def _rank(reason: Reason | None) -> int:
    return _SEVERITY.index(reason) if reason in _SEVERITY else len(_SEVERITY)


def remedy(reason: Reason) -> str:
    """What a user does next."""
    return CATALOGUE[reason].remedy
