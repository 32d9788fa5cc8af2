"""Server-side apply: merge what is applied, remove what the manager does not apply any more. Pure.

Source: KEP-555 and sigs.k8s.io/structured-merge-diff, with `force` always on, so that there are no conflicts: whoever
applies a value takes the field over.
"""

from collections.abc import Mapping
from typing import Any

from .paths import ItemKey, Path, changed, leaves, merged, without

# The server's own, and what names the object: owned by nobody.
_NOT_OWNED = (
    ("apiVersion",),
    ("kind",),
    ("metadata", "name"),
    ("metadata", "namespace"),
    ("metadata", "uid"),
    ("metadata", "resourceVersion"),
    ("metadata", "generation"),
    ("metadata", "creationTimestamp"),
    ("metadata", "deletionTimestamp"),
)


class Owned:
    """The paths that a manager owns: by what it applied, from which they are found when somebody asks, or as such."""

    __slots__ = ("_applied", "_paths")

    def __init__(self, applied: Mapping[str, Any] | None = None, paths: frozenset[Path] = frozenset()) -> None:
        self._applied = applied
        self._paths = paths

    @property
    def paths(self) -> frozenset[Path]:
        """All of them."""
        if self._applied is not None:
            self._paths = frozenset(path for path, _ in leaves(self._applied) if path not in _NOT_OWNED)
            self._applied = None
        return self._paths

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Owned):
            return NotImplemented
        if self._applied is not None and other._applied is not None and self._applied == other._applied:
            return True
        return self.paths == other.paths

    __hash__ = None  # type: ignore[assignment]


# Who (name and operation) owns which paths.
Managers = dict[tuple[str, str], Owned]


def apply(live: dict[str, Any], applied: dict[str, Any], managers: Managers, manager: str) -> dict[str, Any]:
    """The object after an apply; `managers` is brought up to date."""
    who = (manager, "Apply")
    mine, before = Owned(applied), managers.get(who)
    others: set[Path] = set()
    for other, owned in managers.items():
        if other != who:
            others |= owned.paths
    gone: set[Path] = set()
    if before is not None and before != mine:
        kept = others | mine.paths
        gone = {path for path in before.paths - mine.paths if path not in others and not _holds(path, kept)}
    result: dict[str, Any] = merged(without(live, gone) if gone else live, applied)
    if others:
        written, _ = changed(live, result)
        for other in list(managers):
            if other != who:
                managers[other] = Owned(paths=managers[other].paths - written)
    managers[who] = mine
    return result


def update(before: Mapping[str, Any], after: Mapping[str, Any], managers: Managers, manager: str) -> None:
    """Give the fields that an ordinary write changed to its manager."""
    written, gone = changed(before, after)
    written = {path for path in written if path not in _NOT_OWNED and path[0] != "status"}
    for other in list(managers):
        managers[other] = Owned(paths=managers[other].paths - written - gone)
    if written:
        who = (manager, "Update")
        mine = managers.get(who, Owned())
        managers[who] = Owned(paths=mine.paths | written)


def _holds(path: Path, owned: set[Path]) -> bool:
    """Whether somebody owns something inside an item that would go."""
    return bool(path) and isinstance(path[-1], ItemKey) and any(one[: len(path)] == path for one in owned)
