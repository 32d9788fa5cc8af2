"""ModelDeployment: the model that a user wants served."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from .gpus import Gpu
from .model_status import ModelDeploymentStatus
from .objects import ObjectMeta
from .scalars import (
    Digest,
    Duration,
    FormatName,
    LabelKey,
    LabelMap,
    LabelValue,
    Name,
    ObjectName,
    ResourceList,
    Text,
)


class ModelSource(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where the model comes from and what must be true of it before it may serve."""

    uri: Annotated[
        str,
        Meta(
            min_length=6,
            max_length=2048,
            description="Where the model package is: s3://bucket/path, pvc://claim/path or https://host/path.",
        ),
    ]
    format: Annotated[
        FormatName | None,
        Meta(
            description="Format of the model: torch, sklearn, onnx, or any that a ModelRuntime lists. "
            "Read from the package when absent.",
        ),
    ] = None
    digest: Annotated[
        Digest | None,
        Meta(description="Digest of the package manifest. A package with another digest never serves."),
    ] = None
    credentials: Annotated[
        ObjectName | None,
        Meta(description="Name of a Secret in this namespace. It is mounted only into the container that fetches."),
    ] = None
    unsafe_formats: Annotated[
        Literal["Deny", "Allow"],
        Meta(description="Whether formats that can run code while loading (pickle, TorchScript) may be loaded."),
    ] = "Deny"


class Resources(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Compute resources of the server container, as in a Kubernetes container."""

    requests: Annotated[ResourceList | None, Meta(description="What is reserved.")] = None
    limits: Annotated[ResourceList | None, Meta(description="What may be used at most.")] = None


class Batching(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Dynamic batching: what waits is computed together."""

    max_rows: Annotated[
        Annotated[int, Meta(ge=1, le=65536)] | None, Meta(description="Rows computed at once; 64 when absent.")
    ] = None
    max_delay: Annotated[
        Duration | None,
        Meta(description="How long to wait for more rows; 0 when absent: whatever waits is computed at once."),
    ] = None


class Queue(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The bounded queue in front of a model; beyond it a client gets 429 with Retry-After."""

    max_rows: Annotated[
        Annotated[int, Meta(ge=1, le=1048576)] | None, Meta(description="Rows that may wait; 1024 when absent.")
    ] = None
    timeout: Annotated[Duration | None, Meta(description="How long a request may wait; 30s when absent.")] = None


class EnvVar(Struct, frozen=True, rename="camel", omit_defaults=True):
    """An environment variable with a literal value. Secrets belong in `podTemplate` by reference."""

    name: Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
    value: Annotated[str, Meta(max_length=4096)] = ""


class Server(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Settings of the model server."""

    batching: Batching = Batching()
    queue: Queue = Queue()
    load_timeout: Annotated[
        Duration, Meta(description="How long fetching aside the model may take to load and warm up.")
    ] = "10m"
    drain_timeout: Annotated[
        Duration, Meta(description="How long running requests may take to finish when a pod stops.")
    ] = "30s"
    env: Annotated[list[EnvVar], Meta(max_length=64, description="More environment of the server container.")] = []
    args: Annotated[list[Text], Meta(max_length=64, description="More arguments of the server.")] = []


class Toleration(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A taint that the pods tolerate, as in a Kubernetes pod."""

    key: LabelKey | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = None


class TopologySpread(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How evenly replicas spread over the values of a node label."""

    topology_key: LabelKey
    max_skew: Annotated[int, Meta(ge=1, le=1000)] = 1
    when_unsatisfiable: Literal["ScheduleAnyway", "DoNotSchedule"] = "ScheduleAnyway"


class Scheduling(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where and how urgently the pods are placed."""

    priority_class_name: Annotated[ObjectName | None, Meta(description="An existing PriorityClass.")] = None
    node_selector: Annotated[LabelMap, Meta(description="Labels that a node must have.")] = {}
    tolerations: Annotated[list[Toleration], Meta(max_length=32, description="Taints to tolerate.")] = []
    topology_spread: Annotated[
        list[TopologySpread],
        Meta(max_length=8, description="Spread constraints; over nodes, best effort, when absent."),
    ] = []
    queue_name: Annotated[Name | None, Meta(description="Kueue LocalQueue that admits the pods.")] = None
    scheduler_name: Annotated[ObjectName | None, Meta(description="Another scheduler than the default one.")] = None


class Rollout(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a new revision replaces the old one."""

    strategy: Annotated[
        Literal["Auto", "Surge", "Borrow", "Recreate"],
        Meta(
            description="Surge: new replicas start beside the old ones. Borrow: one old replica goes first, and its "
            "GPU serves a new one. Recreate: all old ones go first. Auto: Surge without GPUs; with GPUs one new "
            "replica is tried beside the old ones, and where there is no room one old replica gives its place."
        ),
    ] = "Auto"
    paused: Annotated[
        bool,
        Meta(description="Whether a new revision waits: it starts nothing and replaces nothing until this is false."),
    ] = False
    revision_history_limit: Annotated[
        int, Meta(ge=0, le=50, description="Older revisions that are kept to go back to.")
    ] = 10
    progress_deadline: Annotated[
        Duration | None,
        Meta(
            description="How long a revision may go without progress before Ready says ProgressDeadlineExceeded; "
            "loadTimeout plus 10m when absent."
        ),
    ] = None


class Access(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """Who may ask the model through the gateway."""

    mode: Annotated[
        Literal["Kubernetes", "Public"],
        Meta(
            description="Kubernetes: whoever may create modeldeployments/inference of this name. Public: everybody who "
            "reaches the gateway, where the installation allows such models."
        ),
    ] = "Kubernetes"


class ModelDeploymentSpec(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What to serve and how."""

    model: Annotated[ModelSource, Meta(description="The model to serve.")]
    runtime: Annotated[
        ObjectName | None, Meta(description="Name of a ModelRuntime; picked by the model's format when absent.")
    ] = None
    replicas: Annotated[int, Meta(ge=0, le=1000, description="Pods that serve the model; 0 pauses it.")] = 1
    resources: Annotated[Resources, Meta(description="CPU and memory of each replica.")] = Resources()
    gpu: Annotated[Gpu | None, Meta(description="GPUs of each replica; none when absent.")] = None
    server: Annotated[Server, Meta(description="Batching, queue, time limits of the model server.")] = Server()
    scheduling: Annotated[Scheduling, Meta(description="Placement of the pods.")] = Scheduling()
    rollout: Annotated[Rollout, Meta(description="How a new revision replaces the old one.")] = Rollout()
    access: Annotated[Access, Meta(description="Who may ask the model through the gateway.")] = Access()
    pod_template: Annotated[
        dict[str, Any] | None,
        Meta(
            description="Fields merged last into the pod template (metadata, spec); containers are matched by name.",
            extra={"preserve": True},
        ),
    ] = None


class ModelDeployment(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A model that a user wants served."""

    metadata: ObjectMeta
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus = field(default_factory=ModelDeploymentStatus)
    # Not a field of the API: why the stored object cannot be read, when it cannot.
    unreadable: str = ""

    def is_ready(self) -> bool:
        """Whether its status says Ready of the present generation."""
        ready = self.status.condition("Ready")
        return ready is not None and (ready.status, ready.observed_generation) == ("True", self.metadata.generation)
