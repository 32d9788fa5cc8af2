"""The parts of Kubernetes objects that decisions need. Decoding drops everything else, so caches stay small.

Objects hold no cycles, so the garbage collector need not know them; an empty tuple takes no memory, an empty list does.
"""

import zlib

from msgspec import Struct, field
from msgspec.structs import replace


class OwnerReference(Struct, frozen=True, gc=False, rename="camel"):
    """Who owns an object."""

    uid: str
    kind: str = ""
    name: str = ""
    controller: bool = False


class ObjectMeta(Struct, frozen=True, gc=False, rename="camel"):
    """Metadata without managedFields."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()

    def controlled_by(self, uid: str) -> bool:
        """Whether the object with this uid is the controller of this one."""
        return any(owner.controller and owner.uid == uid for owner in self.owner_references)


class ObjectCondition(Struct, frozen=True, gc=False, rename="camel"):
    """A condition of any core object."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class ChildStatus(Struct, frozen=True, gc=False, rename="camel"):
    """The status of a Deployment; empty for other kinds."""

    observed_generation: int = 0
    ready_replicas: int = 0
    conditions: tuple[ObjectCondition, ...] = ()


class Child(Struct, frozen=True, gc=False):
    """An object that the operator writes: Deployment, Service, ControllerRevision, PDB or NetworkPolicy.

    What it says is kept as JSON until it was compared with what was applied; then its digest is enough to see that
    nobody changed it.
    """

    metadata: ObjectMeta
    replicas: int = 0  # asked of a Deployment
    spec: bytes = b""  # empty once `compared`
    digest: int = 0  # of spec, in this process only
    compared: bool = False  # spec and labels hold what the annotation's hash stands for
    packed: bytes = b""  # content of a ControllerRevision, compressed: it is most of what a model takes
    revision: int = 0
    status: ChildStatus = ChildStatus()

    def data(self) -> bytes:
        """Content of a ControllerRevision as JSON."""
        return zlib.decompress(self.packed)

    def knowing(self, before: "Child") -> "Child":
        """The same, without the content if `before` was compared and nothing of it changed since."""
        unchanged = (
            before.compared
            and self.digest == before.digest
            and self.metadata.uid == before.metadata.uid
            and self.metadata.labels == before.metadata.labels
            and self.metadata.annotations == before.metadata.annotations
        )
        return replace(self, spec=b"", compared=True) if unchanged else self


class Waiting(Struct, frozen=True, gc=False, rename="camel"):
    """Why a container has not started."""

    reason: str = ""
    message: str = ""


class Terminated(Struct, frozen=True, gc=False, rename="camel"):
    """How a container ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""


class Running(Struct, frozen=True, gc=False):
    """A container runs; since when is of no use."""


class ContainerState(Struct, frozen=True, gc=False, rename="camel"):
    """One of waiting, running, terminated."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Struct, frozen=True, gc=False, rename="camel"):
    """State of one container of a pod."""

    name: str
    ready: bool = False
    started: bool | None = None
    restart_count: int = 0
    image: str = ""
    state: ContainerState = field(default_factory=ContainerState)
    last_state: ContainerState = field(default_factory=ContainerState)


class PodStatus(Struct, frozen=True, gc=False, rename="camel"):
    """What the scheduler and the kubelet say of a pod."""

    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    conditions: tuple[ObjectCondition, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class PodResourceClaim(Struct, frozen=True, gc=False, rename="camel"):
    """A claim for devices that a pod names."""

    resource_claim_template_name: str = ""


class SchedulingGate(Struct, frozen=True, gc=False):
    """Who keeps a pod from being scheduled."""

    name: str


class PodSpec(Struct, frozen=True, gc=False, rename="camel"):
    """What a pod asks for, as far as it matters after it was made."""

    resource_claims: tuple[PodResourceClaim, ...] = ()
    scheduling_gates: tuple[SchedulingGate, ...] = ()


class Pod(Struct, frozen=True, gc=False, rename="camel"):
    """A pod of a model."""

    metadata: ObjectMeta
    spec: PodSpec = field(default_factory=PodSpec)
    status: PodStatus = field(default_factory=PodStatus)

    def condition(self, kind: str) -> ObjectCondition | None:
        """The condition of that type, if the pod has it."""
        return next((one for one in self.status.conditions if one.type == kind), None)


class Taint(Struct, frozen=True, gc=False):
    """What keeps pods away from a node, unless they tolerate it."""

    key: str
    effect: str
    value: str = ""


class NodeSpec(Struct, frozen=True, gc=False):
    """Whom a node takes."""

    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False


class NodeStatus(Struct, frozen=True, gc=False, rename="camel"):
    """What a node offers."""

    allocatable: dict[str, str] = {}


class Node(Struct, frozen=True, gc=False, rename="camel"):
    """A node: its labels tell the GPUs, allocatable tells how many."""

    metadata: ObjectMeta
    spec: NodeSpec = field(default_factory=NodeSpec)
    status: NodeStatus = field(default_factory=NodeStatus)


class DeviceClass(Struct, frozen=True, gc=False, rename="camel"):
    """A DeviceClass: only its name matters."""

    metadata: ObjectMeta


class DeviceResult(Struct, frozen=True, gc=False, rename="camel"):
    """One device that a claim got."""

    driver: str = ""
    pool: str = ""
    device: str = ""


class DeviceResults(Struct, frozen=True, gc=False, rename="camel"):
    """All devices that a claim got."""

    results: tuple[DeviceResult, ...] = ()


class Allocation(Struct, frozen=True, gc=False, rename="camel"):
    """What the scheduler gave to a claim."""

    devices: DeviceResults = field(default_factory=DeviceResults)


class ClaimStatus(Struct, frozen=True, gc=False, rename="camel"):
    """Whether a claim got its devices."""

    allocation: Allocation | None = None


class ResourceClaim(Struct, frozen=True, gc=False, rename="camel"):
    """A claim that Kubernetes made for one pod from our template; the pod owns it."""

    metadata: ObjectMeta
    status: ClaimStatus = field(default_factory=ClaimStatus)
