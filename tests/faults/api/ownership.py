"""Server-side apply: merge what is applied, remove what the manager does not apply any more. Pure.

Source: KEP-555 and sigs.k8s.io/structured-merge-diff, with `force` always on, so that there are no conflicts: whoever
applies a value takes the field over.
"""

from collections.abc import Mapping
from typing import Any

from .paths import ItemKey, Path, changed, leaves, merged, without

# Who (name and operation) owns which paths.
Managers = dict[tuple[str, str], frozenset[Path]]

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


def owned_paths(applied: Mapping[str, Any]) -> frozenset[Path]:
    """The paths that a manager owns by applying this."""
    return frozenset(path for path, _ in leaves(applied) if path not in _NOT_OWNED)


def apply(live: dict[str, Any], applied: dict[str, Any], managers: Managers, manager: str) -> dict[str, Any]:
    """The object after an apply; `managers` is brought up to date."""
    who = (manager, "Apply")
    mine = owned_paths(applied)
    dropped = managers.get(who, frozenset()) - mine
    others: set[Path] = set()
    for other, paths in managers.items():
        if other != who:
            others |= paths
    gone = {path for path in dropped if path not in others and not _holds(path, others | mine)}
    result: dict[str, Any] = merged(without(live, gone) if gone else live, applied)
    if others:
        written, _ = changed(live, result)
        for other in list(managers):
            if other != who:
                managers[other] = managers[other] - written
    managers[who] = mine
    return result


def update(before: Mapping[str, Any], after: Mapping[str, Any], managers: Managers, manager: str) -> None:
    """Give the fields that an ordinary write changed to its manager."""
    written, gone = changed(before, after)
    written = {path for path in written if path not in _NOT_OWNED and path[0] != "status"}
    for other in list(managers):
        managers[other] = managers[other] - written - gone
    if written:
        who = (manager, "Update")
        managers[who] = managers.get(who, frozenset()) | written


def _holds(path: Path, owned: set[Path]) -> bool:
    """Whether somebody owns something inside an item that would go."""
    return bool(path) and isinstance(path[-1], ItemKey) and any(one[: len(path)] == path for one in owned)
