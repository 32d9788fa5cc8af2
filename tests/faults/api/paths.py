"""Objects as sets of paths: which lists have keys, what an object says, in what two objects differ. Pure.

A path is a tuple of field names and item keys. The rules are those of structured-merge-diff, as far as the operator's
objects need them: maps and keyed lists are merged, sets and other lists are one value.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

Path = tuple[Any, ...]

# The key of lists of objects, by the name of the field that holds the list.
_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}


class ItemKey(msgspec.Struct, frozen=True, order=True):
    """The item of a keyed list."""

    values: tuple[str, ...]


def key_fields(field: str, items: list[Any]) -> tuple[str, ...] | None:
    """Which fields tell the items of a list apart; None when the list is one value."""
    if field == "ports" and items and isinstance(items[0], Mapping):
        if "containerPort" in items[0]:
            return ("containerPort", "protocol")
        return ("port", "protocol") if "targetPort" in items[0] or "nodePort" in items[0] else None
    return _KEYS.get(field)


def item_key(item: Mapping[str, Any], fields: tuple[str, ...]) -> ItemKey:
    """The key of one item; a protocol that is left out is TCP."""
    return ItemKey(tuple(str(item.get(field, "TCP" if field == "protocol" else "")) for field in fields))


def leaves(value: Any) -> list[tuple[Path, Any]]:
    """Everything that an object says: a path and a value for each leaf, and one for each item of a keyed list."""
    found: list[tuple[Path, Any]] = []
    _gather(value, (), found)
    return found


def _gather(value: Any, path: Path, found: list[tuple[Path, Any]]) -> None:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            _gather(inner, (*path, name), found)
    elif isinstance(value, list) and path and value and (fields := key_fields(str(path[-1]), value)):
        for item in value:
            inner_path = (*path, item_key(item, fields))
            found.append((inner_path, None))
            _gather(item, inner_path, found)
    else:
        found.append((path, value))


def changed(before: Any, after: Any) -> tuple[set[Path], set[Path]]:
    """Paths that were written (added or with another value), and paths that are gone."""
    old, new = dict(leaves(before)), dict(leaves(after))
    written = {path for path, value in new.items() if path not in old or old[path] != value}
    return written, old.keys() - new.keys()


def merged(live: Any, applied: Any, field: str = "") -> Any:
    """What was applied laid over what is there."""
    if isinstance(live, dict) and isinstance(applied, dict):
        return live | {name: merged(live.get(name), value, name) for name, value in applied.items()}
    if isinstance(live, list) and isinstance(applied, list) and live and (fields := key_fields(field, live)):
        return _merged_items(live, applied, fields)
    return applied


def _merged_items(live: list[Any], applied: list[Any], fields: tuple[str, ...]) -> list[Any]:
    """Applied items in their order; an item that is only live stays before the one that it was before."""
    present = {item_key(item, fields): item for item in live}
    wanted = {item_key(item, fields) for item in applied}
    result: list[Any] = []
    rest = [item_key(item, fields) for item in live]
    for item in applied:
        key = item_key(item, fields)
        while rest and rest[0] not in wanted:
            result.append(present[rest.pop(0)])
        if key in rest:
            rest.remove(key)
        result.append(merged(present[key], item) if key in present else item)
    return result + [present[key] for key in rest if key not in wanted]


def without(value: Any, gone: set[Path], path: Path = ()) -> Any:
    """The object without these paths; maps and lists that become empty by it go, too."""
    prefixes = {one[: index + 1] for one in gone for index in range(len(one))}
    return _pruned(value, gone, prefixes, path)


def _pruned(value: Any, gone: set[Path], prefixes: set[Path], path: Path) -> Any:
    if path and path not in prefixes:
        return value
    if isinstance(value, dict):
        kept = {}
        for name, inner in value.items():
            inner_path = (*path, name)
            if inner_path in gone and not (isinstance(inner, dict) and inner):
                continue
            left = _pruned(inner, gone, prefixes, inner_path)
            if left or not inner or left in (0, False):
                kept[name] = left
        return kept
    if isinstance(value, list) and value and path and (fields := key_fields(str(path[-1]), value)):
        items = []
        for item in value:
            inner_path = (*path, item_key(item, fields))
            if inner_path not in gone:
                items.append(_pruned(item, gone, prefixes, inner_path))
        return items
    return value
