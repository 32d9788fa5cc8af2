"""Objects with versions: one counter, a history for each kind, and listeners that are told of every change."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from .kinds import KINDS, Kind
from .ownership import Managers

Key = tuple[str, str]  # namespace, name
Body = dict[str, Any]


class Record:
    """One version of one object. Its body is never changed, only replaced."""

    __slots__ = ("_raw", "body", "managers")

    def __init__(self, body: Body, managers: Managers) -> None:
        self.body = body
        self.managers = managers
        self._raw = b""

    @property
    def raw(self) -> bytes:
        """The object as JSON, encoded once."""
        if not self._raw:
            self._raw = msgspec.json.encode(self.body)
        return self._raw

    @property
    def uid(self) -> str:
        """Of this object, not of another with its name."""
        return str(self.body["metadata"]["uid"])


class Event(msgspec.Struct, frozen=True):
    """One change: what was, what is; what is of a deleted object is its last state, with the version of its end."""

    version: int
    kind: Kind
    key: Key
    before: Record | None
    after: Record | None
    last: Record


class Storage:
    """Everything that the cluster holds."""

    def __init__(self, window: int = 100_000) -> None:
        self.version = 100
        # Versions before this one are forgotten, as after a compaction of etcd.
        self.floor = 100
        self.objects: dict[Kind, dict[Key, Record]] = {kind: {} for kind in KINDS}
        self.listeners: list[Callable[[Event], None]] = []
        self.history: dict[Kind, deque[Event]] = {kind: deque(maxlen=window) for kind in KINDS}

    def get(self, kind: Kind, key: Key) -> Record | None:
        """The object, if it is there."""
        return self.objects[kind].get(key)

    def bodies(self, kind: Kind, namespace: str = "") -> list[Body]:
        """All objects of a kind."""
        return [one.body for key, one in self.objects[kind].items() if namespace in ("", key[0])]

    def put(self, kind: Kind, key: Key, body: Body, managers: Managers | None = None) -> Record:
        """Store a new version of an object."""
        self.version += 1
        metadata = {**body["metadata"], "resourceVersion": str(self.version)}
        before = self.objects[kind].get(key)
        record = Record({**body, "metadata": metadata}, managers if managers is not None else {})
        self.objects[kind][key] = record
        self._tell(Event(self.version, kind, key, before, record, record))
        return record

    def remove(self, kind: Kind, key: Key) -> Record:
        """End an object."""
        self.version += 1
        before = self.objects[kind].pop(key)
        metadata = {**before.body["metadata"], "resourceVersion": str(self.version)}
        last = Record({**before.body, "metadata": metadata}, {})
        self._tell(Event(self.version, kind, key, before, None, last))
        return last

    def since(self, kind: Kind, version: int) -> Iterator[Event]:
        """Changes of a kind after a version."""
        history = self.history[kind]
        recent: list[Event] = []
        for event in reversed(history):
            if event.version <= version:
                break
            recent.append(event)
        return reversed(recent)

    def at(self, kind: Kind, version: int) -> dict[Key, Record]:
        """All objects of a kind as they were at a version."""
        if version >= self.version:
            return self.objects[kind]
        found = dict(self.objects[kind])
        for event in reversed(self.history[kind]):
            if event.version <= version:
                break
            if event.before is None:
                found.pop(event.key, None)
            else:
                found[event.key] = event.before
        return found

    def remembers(self, version: int) -> bool:
        """Whether a watch may begin here."""
        return version >= self.floor

    def compact(self) -> None:
        """Forget the history."""
        self.floor = self.version
        for history in self.history.values():
            history.clear()

    def _tell(self, event: Event) -> None:
        history = self.history[event.kind]
        if history.maxlen is not None and len(history) == history.maxlen:
            self.floor = max(self.floor, history[0].version)
        history.append(event)
        for listener in self.listeners:
            listener(event)
