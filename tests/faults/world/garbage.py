"""Garbage collection by owner references, in the background."""

import random
from collections.abc import Callable
from typing import Any

from faults.api.kinds import Kind
from faults.api.storage import Event, Key
from faults.api.verbs import Verbs


class Garbage:
    """Deletes what belongs to nobody any more."""

    def __init__(self, verbs: Verbs, later: Callable[[float, Callable[[], None]], object], chance: random.Random):
        self._verbs, self._later, self._chance = verbs, later, chance
        self._living: set[str] = set()
        self._owned: dict[str, set[tuple[Kind, Key]]] = {}

    def changed(self, event: Event) -> None:
        """Learn who lives and who owns what."""
        place = (event.kind, event.key)
        for uid in _owners(event.before.body if event.before else None):
            self._owned.get(uid, set()).discard(place)
        if event.after is None:
            uid = event.last.uid
            self._living.discard(uid)
            for kind, key in sorted(self._owned.get(uid, ()), key=lambda one: (one[0].name, one[1])):
                self._soon(kind, key)
            return
        self._living.add(event.after.uid)
        for uid in _owners(event.after.body):
            self._owned.setdefault(uid, set()).add(place)
            if uid not in self._living:
                self._soon(*place)

    def _soon(self, kind: Kind, key: Key) -> None:
        self._later(0.05 + self._chance.random(), lambda: self._collect(kind, key))

    def _collect(self, kind: Kind, key: Key) -> None:
        record = self._verbs.storage.get(kind, key)
        owners = _owners(record.body if record else None)
        if owners and not any(uid in self._living for uid in owners):
            self._verbs.end(kind, key)


def _owners(body: dict[str, Any] | None) -> list[str]:
    return [one["uid"] for one in (body or {}).get("metadata", {}).get("ownerReferences") or []]
