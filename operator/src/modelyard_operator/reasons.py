"""The closed catalogue of reasons: code, tests and the reference page all read this one table. Pure data."""

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct


class ConditionType(StrEnum):
    """What a condition speaks of."""

    READY = "Ready"
    PROGRESSING = "Progressing"
    MODEL_RESOLVED = "ModelResolved"
    MODEL_VERIFIED = "ModelVerified"
    SCHEDULED = "Scheduled"
    LOADED = "Loaded"


class Reason(StrEnum):
    """Why a condition is what it is."""

    READY = "Ready"
    PAUSED = "Paused"
    RESOLVED = "Resolved"
    VERIFIED = "Verified"
    SCHEDULED = "Scheduled"
    LOADED = "Loaded"
    COMPLETE = "Complete"

    STARTING = "Starting"
    FETCHING = "Fetching"
    LOADING = "Loading"
    ROLLING_OUT = "RollingOut"
    WAITING = "Waiting"
    NOT_VERIFIED = "NotVerified"

    ROLLOUT_PAUSED = "RolloutPaused"

    INSUFFICIENT_GPU = "InsufficientGPU"
    CLAIM_NOT_ALLOCATED = "ClaimNotAllocated"
    INVALID_CLAIM = "InvalidClaim"
    PREEMPTED = "Preempted"
    TAINTED = "Tainted"
    VOLUME_NOT_BOUND = "VolumeNotBound"
    UNSCHEDULABLE = "Unschedulable"
    QUEUED = "Queued"
    SCHEDULING_GATED = "SchedulingGated"
    QUOTA_EXCEEDED = "QuotaExceeded"
    LIMIT_RANGE_EXCEEDED = "LimitRangeExceeded"
    POD_SECURITY_VIOLATION = "PodSecurityViolation"
    POD_REJECTED = "PodRejected"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CONTAINER_CONFIG_ERROR = "ContainerConfigError"
    MODEL_NOT_FOUND = "ModelNotFound"
    CREDENTIALS_REJECTED = "CredentialsRejected"
    FETCH_FAILED = "FetchFailed"
    DIGEST_MISMATCH = "DigestMismatch"
    UNSAFE_FORMAT = "UnsafeFormat"
    LOAD_FAILED = "LoadFailed"
    OUT_OF_MEMORY = "OutOfMemory"
    CRASH_LOOP = "CrashLoop"
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    RUNTIME_NOT_FOUND = "RuntimeNotFound"
    NO_RUNTIME_FOR_FORMAT = "NoRuntimeForFormat"
    PROFILE_NOT_FOUND = "ProfileNotFound"
    NO_GPU_MECHANISM = "NoGPUMechanism"
    INVALID_SPEC = "InvalidSpec"
    NAME_TAKEN = "NameTaken"
    APPLY_REJECTED = "ApplyRejected"


# Steps on the way to Ready: nothing is wrong.
PROGRESS = frozenset({Reason.STARTING, Reason.FETCHING, Reason.LOADING, Reason.ROLLING_OUT})


class Unresolved(Struct, frozen=True):
    """Why a spec cannot become pods."""

    reason: Reason
    message: str


class Entry(NamedTuple):
    """What a reason says and what a user does next."""

    condition: ConditionType
    cause: str
    remedy: str


CATALOGUE: dict[Reason, Entry] = {
    Reason.READY: Entry(
        ConditionType.READY,
        "Every replica of the revision that spec asks for answers.",
        "Nothing: send requests to status.url.",
    ),
    Reason.PAUSED: Entry(ConditionType.READY, "spec.replicas is 0.", "Raise spec.replicas to serve again."),
    Reason.RESOLVED: Entry(
        ConditionType.MODEL_RESOLVED, "Runtime, GPU request and model address are known.", "Nothing."
    ),
    Reason.VERIFIED: Entry(
        ConditionType.MODEL_VERIFIED,
        "The package was fetched and every file has the digest of its manifest.",
        "Nothing.",
    ),
    Reason.SCHEDULED: Entry(ConditionType.SCHEDULED, "Every pod has a node.", "Nothing."),
    Reason.LOADED: Entry(ConditionType.LOADED, "Every replica has loaded the model and warmed up.", "Nothing."),
    Reason.COMPLETE: Entry(ConditionType.PROGRESSING, "There is nothing left to do.", "Nothing."),
    Reason.STARTING: Entry(ConditionType.READY, "Pods are being created or started.", "Wait."),
    Reason.FETCHING: Entry(ConditionType.LOADED, "The model package is being downloaded.", "Wait."),
    Reason.LOADING: Entry(
        ConditionType.LOADED, "The server loads the model and warms up.", "Wait, up to server.loadTimeout."
    ),
    Reason.ROLLING_OUT: Entry(
        ConditionType.PROGRESSING, "A new revision is replacing the old one, which goes on serving.", "Wait."
    ),
    Reason.ROLLOUT_PAUSED: Entry(
        ConditionType.PROGRESSING,
        "A new revision waits because spec.rollout.paused is set; the old one goes on serving.",
        "Set spec.rollout.paused to false.",
    ),
    Reason.WAITING: Entry(
        ConditionType.PROGRESSING, "Nothing moves until the cause in Ready is mended.", "Do what Ready says."
    ),
    Reason.NOT_VERIFIED: Entry(ConditionType.MODEL_VERIFIED, "The package has not been fetched yet.", "Wait."),
    Reason.INSUFFICIENT_GPU: Entry(
        ConditionType.SCHEDULED,
        "No node has enough free GPUs of the kind asked for.",
        "Free GPUs, add a node, ask for fewer (spec.gpu, spec.replicas), or wait.",
    ),
    Reason.CLAIM_NOT_ALLOCATED: Entry(
        ConditionType.SCHEDULED,
        "No node has a free device that the pod's ResourceClaim accepts, or the claim was not made yet.",
        "Free devices, add a node, add an alternative (spec.gpu.alternatives), or wait.",
    ),
    Reason.INVALID_CLAIM: Entry(
        ConditionType.SCHEDULED,
        "The pod's ResourceClaim cannot work: a selector fails, or its DeviceClass does not exist.",
        "Correct spec.gpu: selectors (ask for an attribute with `in` first) or deviceClassName.",
    ),
    Reason.PREEMPTED: Entry(
        ConditionType.SCHEDULED,
        "A pod of the model had to go for one with a higher priority.",
        "Wait for free GPUs, or set spec.scheduling.priorityClassName.",
    ),
    Reason.TAINTED: Entry(
        ConditionType.SCHEDULED,
        "Every node has a taint that the pods do not tolerate, or is cordoned.",
        "Add the taint to spec.scheduling.tolerations, or uncordon a node.",
    ),
    Reason.VOLUME_NOT_BOUND: Entry(
        ConditionType.SCHEDULED,
        "A PersistentVolumeClaim of the pod has no volume, or one that no node reaches.",
        "Look at the claim: kubectl describe pvc.",
    ),
    Reason.UNSCHEDULABLE: Entry(
        ConditionType.SCHEDULED,
        "No node fits the pod for another cause than GPUs.",
        "Read the message: it counts nodes by cause, such as CPU, memory or node selector.",
    ),
    Reason.QUEUED: Entry(
        ConditionType.SCHEDULED,
        "Kueue has not admitted the pods yet.",
        "Wait, or look at the queue: kubectl get localqueues,workloads.",
    ),
    Reason.SCHEDULING_GATED: Entry(
        ConditionType.SCHEDULED, "A scheduling gate holds the pods back.", "Wait, or ask who set the gate."
    ),
    Reason.QUOTA_EXCEEDED: Entry(
        ConditionType.SCHEDULED,
        "A ResourceQuota of the namespace leaves no room for the pods.",
        "Ask for less, remove other workloads, or have the quota raised.",
    ),
    Reason.LIMIT_RANGE_EXCEEDED: Entry(
        ConditionType.SCHEDULED,
        "A LimitRange of the namespace refuses what the pods ask for.",
        "Change spec.resources to what the message allows, or have the LimitRange changed.",
    ),
    Reason.POD_SECURITY_VIOLATION: Entry(
        ConditionType.SCHEDULED,
        "The pods break the Pod Security Standard of the namespace.",
        "Take out of spec.podTemplate what the message names.",
    ),
    Reason.POD_REJECTED: Entry(
        ConditionType.SCHEDULED,
        "Admission refused the pods for another cause, such as a policy.",
        "Read the message; spec.podTemplate or spec.resources is the usual place.",
    ),
    Reason.IMAGE_PULL_FAILED: Entry(
        ConditionType.LOADED,
        "An image cannot be pulled: it does not exist, or the registry refuses.",
        "Correct the image in the ModelRuntime, or give the pods pull credentials in spec.podTemplate.",
    ),
    Reason.CONTAINER_CONFIG_ERROR: Entry(
        ConditionType.LOADED,
        "The pod names something that does not exist, such as a ConfigMap or Secret.",
        "Create it or correct spec.podTemplate.",
    ),
    Reason.MODEL_NOT_FOUND: Entry(
        ConditionType.MODEL_RESOLVED,
        "Nothing is stored under spec.model.uri.",
        "Correct spec.model.uri or publish the model.",
    ),
    Reason.CREDENTIALS_REJECTED: Entry(
        ConditionType.MODEL_RESOLVED,
        "The store refuses the credentials, or there are none.",
        "Correct the Secret that spec.model.credentials names.",
    ),
    Reason.FETCH_FAILED: Entry(
        ConditionType.MODEL_RESOLVED,
        "The package could not be fetched or is not a model package.",
        "Read the message: network, store, disk space or the package itself.",
    ),
    Reason.DIGEST_MISMATCH: Entry(
        ConditionType.MODEL_VERIFIED,
        "The package is not the one that spec.model.digest pins, or a file was altered.",
        "Publish the right package, or pin the digest that you trust.",
    ),
    Reason.UNSAFE_FORMAT: Entry(
        ConditionType.MODEL_VERIFIED,
        "The package holds files that can run code while loading.",
        "Convert to safetensors or skops; or set spec.model.unsafeFormats to Allow for a source that you trust.",
    ),
    Reason.LOAD_FAILED: Entry(
        ConditionType.LOADED,
        "The server cannot load the model.",
        "Read the message: it names the file and the field; then publish a corrected package.",
    ),
    Reason.OUT_OF_MEMORY: Entry(
        ConditionType.LOADED, "A container used more memory than its limit.", "Raise spec.resources.limits.memory."
    ),
    Reason.CRASH_LOOP: Entry(
        ConditionType.LOADED, "A container ends again and again.", "Read its log: kubectl logs, with --previous."
    ),
    Reason.PROGRESS_DEADLINE_EXCEEDED: Entry(
        ConditionType.PROGRESSING,
        "The revision made no progress for longer than rollout.progressDeadline.",
        "Look at the other conditions and the pods; go back by applying the last good spec.",
    ),
    Reason.RUNTIME_NOT_FOUND: Entry(
        ConditionType.MODEL_RESOLVED,
        "No ModelRuntime has the name in spec.runtime.",
        "Correct the name: kubectl get mrt.",
    ),
    Reason.NO_RUNTIME_FOR_FORMAT: Entry(
        ConditionType.MODEL_RESOLVED,
        "No ModelRuntime lists the format of the model.",
        "Correct spec.model.format, or have a ModelRuntime added: kubectl get mrt.",
    ),
    Reason.PROFILE_NOT_FOUND: Entry(
        ConditionType.MODEL_RESOLVED,
        "No AcceleratorProfile has the name in spec.gpu.profile.",
        "Correct the name: kubectl get accel.",
    ),
    Reason.NO_GPU_MECHANISM: Entry(
        ConditionType.MODEL_RESOLVED,
        "The cluster has no way to ask for the GPUs of spec.gpu: neither node labels nor a DeviceClass.",
        "Read the message; it names what was looked for. It is looked for again every half minute.",
    ),
    Reason.INVALID_SPEC: Entry(
        ConditionType.MODEL_RESOLVED,
        "The spec contradicts itself or the runtime.",
        "Read the message; it names the field.",
    ),
    Reason.NAME_TAKEN: Entry(
        ConditionType.PROGRESSING,
        "An object of that name exists and belongs to somebody else.",
        "Rename the ModelDeployment or remove the other object.",
    ),
    Reason.APPLY_REJECTED: Entry(
        ConditionType.PROGRESSING,
        "The API server refuses an object that the model needs.",
        "Read the server's own message; spec.podTemplate is the usual place.",
    ),
}
