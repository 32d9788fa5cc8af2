"""Merge patch (RFC 7386) and JSON patch (RFC 6902). Pure."""

from collections.abc import Mapping, Sequence
from typing import Any


class PatchError(Exception):
    """A patch that cannot be carried out: a test that fails, a path that is not there."""


def merge(target: Any, patch: Any) -> Any:
    """`target` with a merge patch laid over it."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def json_patch(target: Any, operations: Sequence[Mapping[str, Any]]) -> Any:
    """`target` after all operations; PatchError when one of them fails."""
    for operation in operations:
        pointer = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        if operation["op"] == "test":
            if _found(target, pointer) != operation.get("value"):
                raise PatchError(f"testing value {operation['path']} failed: test failed")
        else:
            target = _changed(target, pointer, operation)
    return target


def _found(target: Any, pointer: list[str]) -> Any:
    for part in pointer:
        try:
            target = target[int(part)] if isinstance(target, list) else target[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return target


def _changed(target: Any, pointer: list[str], operation: Mapping[str, Any]) -> Any:
    name, rest = pointer[0], pointer[1:]
    if isinstance(target, list):
        return _changed_item(target, name, rest, operation)
    if not isinstance(target, Mapping):
        raise PatchError(f"{operation['op']} operation does not apply: doc is missing path: {operation['path']}")
    result = dict(target)
    if rest:
        if name not in result:
            raise PatchError(f"{operation['op']} operation does not apply: doc is missing path: {operation['path']}")
        result[name] = _changed(result[name], rest, operation)
    elif operation["op"] == "add":
        result[name] = operation["value"]
    elif name not in result:
        raise PatchError(f"{operation['op']} operation does not apply: doc is missing key: {operation['path']}")
    elif operation["op"] == "replace":
        result[name] = operation["value"]
    else:
        del result[name]
    return result


def _changed_item(target: list[Any], name: str, rest: list[str], operation: Mapping[str, Any]) -> list[Any]:
    result = list(target)
    if name == "-" and operation["op"] == "add":
        return [*result, operation["value"]]
    index = int(name)
    if index >= len(result) + (operation["op"] == "add" and not rest):
        raise PatchError(f"{operation['op']} operation does not apply: doc is missing key: {operation['path']}")
    if rest:
        result[index] = _changed(result[index], rest, operation)
    elif operation["op"] == "add":
        result.insert(index, operation["value"])
    elif operation["op"] == "replace":
        result[index] = operation["value"]
    else:
        del result[index]
    return result
