"""A change of Ready -> a Kubernetes Event, for those who watch events rather than conditions. Pure.

Steps on the way to Ready are no events: the status tells them, and each event is a write. What went wrong is one, and
so is its end, a finished change of revision, and a pause.
"""

from collections import OrderedDict
from typing import Any, Literal, NamedTuple

from .api.model_deployment import ModelDeployment
from .api.model_status import ModelDeploymentStatus
from .api.names import API_VERSION, FIELD_MANAGER
from .reasons import PROGRESS, Reason
from .summary import cut

MESSAGE_LIMIT = 1000
# The same thing of the same model is told again at most so often, with how many times it happened.
REPEAT_SECONDS = 300.0
REMEMBERED = 4096


class Note(NamedTuple):
    """What is told."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


class Series(NamedTuple):
    """One event object that stands for everything of the kind that happened to a model."""

    name: str
    first: str
    times: int
    told_at: float


def note(before: ModelDeploymentStatus, after: ModelDeploymentStatus, *, warned: bool = False) -> Note | None:
    """What a change of status is worth telling; `warned` when the last thing told was a warning."""
    was, now = before.condition("Ready"), after.condition("Ready")
    if now is None or (was is not None and was.reason == now.reason and before.ready_revision == after.ready_revision):
        return None
    if now.reason in PROGRESS:
        return None
    if now.status == "True":
        mended = warned or (was is not None and was.status != "True" and was.reason not in PROGRESS)
        replaced = before.ready_revision not in ("", after.ready_revision)
        return Note("Normal", now.reason, now.message) if mended or replaced else None
    return Note("Normal" if now.reason == Reason.PAUSED else "Warning", now.reason, now.message)


class EventLog:
    """Remembers what was told, so that a model that flaps does not fill the store of events."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[str, str, str], Series] = OrderedDict()
        self._warned: OrderedDict[str, None] = OrderedDict()

    def warned(self, uid: str) -> bool:
        """Whether the last thing told of a model was a warning."""
        return uid in self._warned

    def series(self, about: tuple[str, str], told: Note, name: str, now: str, clock: float) -> Series | None:
        """The event object to write, under `name` unless one of the kind is there; None when it was told just now.

        `about` is the model's uid and its revision: a cause that comes back with another revision is news.
        """
        self._warned.pop(about[0], None)
        if told.type == "Warning":
            self._warned[about[0]] = None
        key = (*about, told.reason)
        before = self._told.pop(key, None)
        if before is None:
            found = Series(name, now, 1, clock)
        else:
            due = clock - before.told_at >= REPEAT_SECONDS
            found = before._replace(times=before.times + 1, told_at=clock if due else before.told_at)
        self._told[key] = found
        for memory in (self._told, self._warned):
            if len(memory) > REMEMBERED:
                memory.popitem(last=False)
        return found if found.told_at == clock else None


def manifest(model: ModelDeployment, told: Note, series: Series, now: str, identity: str) -> dict[str, Any]:
    """The Event object, as core/v1."""
    metadata = model.metadata
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": series.name, "namespace": metadata.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": "ModelDeployment",
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
        },
        "type": told.type,
        "reason": told.reason,
        "message": cut(told.message, MESSAGE_LIMIT),
        "count": series.times,
        "firstTimestamp": series.first,
        "lastTimestamp": now,
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "reportingInstance": identity,
    }
