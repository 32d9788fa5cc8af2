"""Status of a ModelDeployment: what became of the model that a user wants served."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .scalars import ShortText


class Condition(Struct, frozen=True, rename="camel", omit_defaults=False):
    """One thing that is known about the model, with its reason."""

    type: Annotated[str, Meta(max_length=63)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Meta(max_length=63)]
    message: Annotated[str, Meta(max_length=2048)]
    observed_generation: int
    last_transition_time: Annotated[str, Meta(extra={"format": "date-time"})]


class ModelStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the fetched package says of itself."""

    digest: ShortText | None = None
    version: ShortText | None = None
    format: ShortText | None = None
    verified: bool | None = None


class GpuStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How GPUs are asked for."""

    mechanism: Annotated[str, Meta(max_length=32)]
    resource_name: Annotated[str, Meta(max_length=253)]
    count: int
    request: ShortText


class RevisionStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One revision that still has pods."""

    name: ShortText
    replicas: int
    ready: int


class ModelDeploymentStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
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
    revisions: Annotated[list[RevisionStatus], Meta(max_length=32)] = []
    conditions: Annotated[list[Condition], Meta(max_length=16, extra={"list_map_key": "type"})] = []
