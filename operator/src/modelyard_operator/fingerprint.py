"""Content -> a short hash that stays the same whether a default was written out or left out. Pure."""

import hashlib
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct, structs


def fingerprint(content: Any) -> str:
    """Ten hexadecimal digits of the digest of the content as JSON: enough to tell the revisions of one model apart.

    Fields that hold their default are left out, so a user may write one out, and a later version may add one.
    """
    return hashlib.sha256(msgspec.json.encode(_bare(content), order="deterministic")).hexdigest()[:10]


def _bare(value: Any) -> Any:
    """The same with each default as the very object that its struct was declared with.

    msgspec leaves out what is that object, not what equals it; a string or a number that was decoded is another one.
    """
    if isinstance(value, (list, tuple)):
        return [_bare(one) for one in value]
    if not isinstance(value, Struct):
        return value
    changed = {}
    for name, default in _fields(type(value)):
        found = getattr(value, name)
        if found is default:
            continue
        bare = default if found == default else _bare(found)
        if bare is not found:
            changed[name] = bare
    return structs.replace(value, **changed) if changed else value


@cache
def _fields(kind: type[Struct]) -> list[tuple[str, Any]]:
    return [(one.name, one.default) for one in structs.fields(kind)]
