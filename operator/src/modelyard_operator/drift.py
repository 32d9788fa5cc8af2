"""Whether a live object still is what was applied: a subset comparison that knows quantities. Pure."""

from collections.abc import Mapping
from typing import Any

from .api.scalars import parse_quantity

# Below these keys "1000m" and "1" are the same: the API server stores quantities in its own canonical form.
_QUANTITY_KEYS = frozenset({"requests", "limits", "sizeLimit"})


def is_subset(desired: Any, live: Any, *, quantities: bool = False) -> bool:
    """Whether everything that `desired` says is so in `live`. The server's additions to `live` are no drift.

    An empty map, list or string in `desired` says nothing: the server drops empty values.
    """
    if isinstance(desired, Mapping):
        if not desired:
            return True
        return isinstance(live, Mapping) and all(
            is_subset(value, live.get(key), quantities=quantities or key in _QUANTITY_KEYS)
            for key, value in desired.items()
        )
    if isinstance(desired, list):
        if not desired:
            return True
        return (
            isinstance(live, list)
            and len(live) == len(desired)
            and all(is_subset(one, other, quantities=quantities) for one, other in zip(desired, live, strict=True))
        )
    return _same(desired, live, quantities=quantities)


def _same(desired: Any, live: Any, *, quantities: bool) -> bool:
    if desired == live or (desired in ("", None, False) and live is None):
        return True
    if not quantities or not isinstance(desired, (int, str)) or not isinstance(live, (int, str)):
        return False
    try:
        return parse_quantity(desired) == parse_quantity(live)
    except ValueError:
        return False
