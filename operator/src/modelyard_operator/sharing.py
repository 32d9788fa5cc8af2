"""One copy of the strings that many objects hold: of what a cache keeps, most is said a thousand times. Pure.

A decoder makes a new string for every name, label and reason that it reads. Interned, they take half of the memory
that a model and its children took; Python forgets an interned string when nobody holds it any more.
"""

import sys
from functools import cache
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import fields, force_setattr

T = TypeVar("T", bound=Struct)

# Every object has another; interned it would only take a place in the table.
_UNIQUE = "resource_version"


def shared(found: T) -> T:
    """The same object, which nobody else has seen yet, with its strings interned in place."""
    for name in _names(type(found)):
        value = getattr(found, name)
        kept = _shared(value)
        if kept is not value:
            force_setattr(found, name, kept)
    return found


def _shared(value: Any) -> Any:
    if type(value) is str:
        return sys.intern(value)
    if isinstance(value, Struct):
        return shared(value)
    if type(value) is dict:
        for key, one in value.items():
            value[key] = _shared(one)
    elif type(value) is tuple:
        return tuple([_shared(one) for one in value])
    elif type(value) is list:
        value[:] = [_shared(one) for one in value]
    return value


@cache
def _names(kind: type[Struct]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name != _UNIQUE)
