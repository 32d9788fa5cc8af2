"""Status of a ModelDeployment: what became of the model that a user wants served."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .scalars import ShortText


class Condition(Struct, frozen=True, gc=False, rename="camel", omit_defaults=False):
    """One thing that is known about the model, with its reason."""

    type: Annotated[str, Meta(max_length=63)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Meta(max_length=63)]
    message: Annotated[str, Meta(max_length=2048)]
    observed_generation: int
    last_transition_time: Annotated[str, Meta(extra={"format": "date-time"})]


class ModelStatus(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """What the fetched package says of itself."""

    digest: ShortText | None = None
    version: ShortText | None = None
    format: ShortText | None = None
    verified: bool | None = None


class AllocatedDevice(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """A device that a pod got by its claim."""

    pod: Annotated[str, Meta(max_length=253)]
    driver: Annotated[str, Meta(max_length=253)]
    pool: Annotated[str, Meta(max_length=253)]
    device: Annotated[str, Meta(max_length=253)]


class GpuStatus(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """How GPUs are asked for, and why this way."""

    mechanism: Annotated[str, Meta(max_length=32, description="ExtendedResource or DRA.")]
    count: int
    request: ShortText
    reason: Annotated[ShortText | None, Meta(description="Why this mechanism.")] = None
    resource_name: Annotated[ShortText | None, Meta(description="The extended resource.")] = None
    device_class: Annotated[
        Annotated[str, Meta(max_length=512)] | None, Meta(description="DeviceClasses in the order of preference.")
    ] = None
    claim_template: Annotated[ShortText | None, Meta(description="The ResourceClaimTemplate of the pods.")] = None
    allocated: Annotated[
        list[AllocatedDevice], Meta(max_length=16, description="Devices that pods got by their claims; 16 at most.")
    ] = []


class RevisionStatus(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """One revision that still has pods."""

    name: ShortText
    replicas: int
    ready: int


class RolloutStatus(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """How a new revision is replacing an old one, while it does."""

    strategy: Annotated[str, Meta(max_length=16, description="Surge, Borrow or Recreate.")]
    message: Annotated[ShortText, Meta(description="What happens, and why this way.")]
    served: Annotated[int, Meta(description="The most replicas that answered at once since the rollout began.")] = 0


class ModelDeploymentStatus(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """What is known about the model. Written by the operator alone, and only when it changes."""

    observed_generation: int = 0
    summary: Annotated[str, Meta(max_length=512)] = ""
    url: Annotated[str, Meta(max_length=512)] = ""
    replicas: Annotated[int, Meta(description="Pods that exist, of all revisions.")] = 0
    ready_replicas: Annotated[int, Meta(description="Ready pods of the revision that spec asks for.")] = 0
    ready: ShortText = ""
    selector: Annotated[str, Meta(max_length=512)] = ""
    runtime: ShortText = ""
    revision: Annotated[str, Meta(max_length=63, description="The revision that spec asks for.")] = ""
    ready_revision: Annotated[str, Meta(max_length=63, description="The last revision that was Ready.")] = ""
    model: ModelStatus = ModelStatus()
    gpu: GpuStatus | None = None
    rollout: RolloutStatus | None = None
    revisions: Annotated[list[RevisionStatus], Meta(max_length=32)] = []
    conditions: Annotated[list[Condition], Meta(max_length=16, extra={"list_map_key": "type"})] = []

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, if it was told."""
        return next((one for one in self.conditions if one.type == kind), None)
