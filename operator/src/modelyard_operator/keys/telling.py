"""A change of an InferenceKey's conditions -> Events. Pure."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from modelyard_operator.api.inference_key import InferenceKey, InferenceKeyStatus
from modelyard_operator.api.names import API_VERSION, FIELD_MANAGER

from .lifecycle import EXPIRED, NEARLY_SPENT, SECRET_REFUSED, SPENT

_WARNINGS = frozenset({EXPIRED, NEARLY_SPENT, SECRET_REFUSED, SPENT})


class Note(NamedTuple):
    """What is told."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def notes(before: InferenceKeyStatus, after: InferenceKeyStatus) -> Iterator[Note]:
    """What a change of status is worth telling: a new key, and every new cause of trouble."""
    if after.prefix != before.prefix:
        yield Note("Normal", "KeyIssued", f"the key {after.prefix}… is in Secret {after.secret}")
    for one in after.conditions:
        was = before.condition(one.type)
        if one.reason in _WARNINGS and (was is None or was.reason != one.reason):
            yield Note("Warning", one.reason, one.message)


def event(about: InferenceKey, note: Note, now: str, number: int) -> dict[str, Any]:
    """The Event object, as core/v1; `number` makes its name another one each time."""
    metadata = about.metadata
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata.name}.{note.reason.lower()}.{number:x}",
            "namespace": metadata.namespace,
        },
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": "InferenceKey",
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
        },
        "type": note.type,
        "reason": note.reason,
        "message": note.message[:1000],
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "reportingInstance": FIELD_MANAGER,
    }
