"""Objects as they are stored -> typed ones, also ModelDeployments that today's schema would refuse. Pure.

The API server does not check stored objects again when a CRD becomes stricter. One that cannot be read is kept with
what can be read of it, and with the cause: it then gets a status that says so, and its pods go on as they are.
"""

import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from .api.model_deployment import ModelDeployment, ModelDeploymentSpec, ModelSource
from .api.model_status import ModelDeploymentStatus
from .api.names import GROUP
from .api.objects import Child, ChildStatus, Node, ObjectMeta, Pod

# Conditions of a pod that tell where it stands; of a Deployment only those that tell what is wrong.
TELLING = frozenset({"PodScheduled", "Ready", "DisruptionTarget"})
# The reason by which a Deployment says that it gave up waiting.
DEADLINE = "ProgressDeadlineExceeded"


class _Child(Struct, frozen=True, rename="camel"):
    metadata: ObjectMeta
    spec: msgspec.Raw = msgspec.Raw(b"{}")
    data: msgspec.Raw = msgspec.Raw(b"")
    revision: int = 0
    status: ChildStatus = ChildStatus()


class _Replicas(Struct, frozen=True):
    replicas: int = 1


class _Outline(Struct):
    """What must be readable for an object to be there at all."""

    metadata: ObjectMeta
    spec: _Replicas = _Replicas()


def from_raw(raw: msgspec.Raw) -> ModelDeployment:
    """A model as it comes from a list or a watch."""
    body: dict[str, Any] = msgspec.json.decode(raw)
    return from_body(body)


def from_body(body: Mapping[str, Any]) -> ModelDeployment:
    """A model from its decoded object; ValidationError only when not even its metadata can be read."""
    try:
        return msgspec.convert(body, ModelDeployment, strict=False)
    except msgspec.ValidationError as error:
        cause = str(error)
    outline = msgspec.convert(body, _Outline, strict=False)
    return ModelDeployment(
        metadata=outline.metadata,
        spec=ModelDeploymentSpec(model=ModelSource(uri=""), replicas=outline.spec.replicas),
        status=_status(body),
        unreadable=cause,
    )


def child_from_raw(raw: msgspec.Raw | bytes) -> Child:
    """An object that the operator wrote, with its content still as JSON, and without what no decision depends on."""
    found = msgspec.json.decode(raw, type=_Child, strict=False)
    spec = bytes(found.spec)
    annotations = {key: value for key, value in found.metadata.annotations.items() if key.startswith(f"{GROUP}/")}
    wrong = tuple(one for one in found.status.conditions if one.type == "ReplicaFailure" or one.reason == DEADLINE)
    return Child(
        metadata=msgspec.structs.replace(found.metadata, annotations=annotations),
        replicas=msgspec.json.decode(spec, type=_Replicas).replicas,
        spec=spec,
        digest=hash(spec),
        packed=zlib.compress(found.data, 1) if found.data else b"",
        revision=found.revision,
        status=msgspec.structs.replace(found.status, conditions=wrong),
    )


def pod_from_raw(raw: msgspec.Raw | bytes) -> Pod:
    """A pod without what no decision depends on: each change of it would wake the model."""
    found = msgspec.json.decode(raw, type=Pod, strict=False)
    telling = tuple(one for one in found.status.conditions if one.type in TELLING)
    return msgspec.structs.replace(
        found,
        metadata=msgspec.structs.replace(found.metadata, annotations={}),
        status=msgspec.structs.replace(found.status, conditions=telling),
    )


def node_from_raw(raw: msgspec.Raw | bytes) -> Node:
    """A node without its annotations: drivers and kubelets write them all the time."""
    found = msgspec.json.decode(raw, type=Node, strict=False)
    return msgspec.structs.replace(found, metadata=msgspec.structs.replace(found.metadata, annotations={}))


def _status(body: Mapping[str, Any]) -> ModelDeploymentStatus:
    try:
        return msgspec.convert(body.get("status", {}), ModelDeploymentStatus, strict=False)
    except msgspec.ValidationError:
        return ModelDeploymentStatus()
