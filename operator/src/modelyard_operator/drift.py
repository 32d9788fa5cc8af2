"""Whether a live object still is what was applied: a subset comparison that knows quantities. Pure."""

from typing import Any

from .api.scalars import parse_quantity

# Below these keys "1000m" and "1" are the same: the API server stores quantities in its own canonical form.
_QUANTITY_KEYS = frozenset({"requests", "limits", "sizeLimit"})


def is_subset(desired: Any, live: Any, *, quantities: bool = False) -> bool:
    """Whether everything that `desired` says is so in `live`. The server's additions to `live` are no drift.

    An empty map, list or string in `desired` says nothing: the server drops empty values.
    """
    if isinstance(desired, dict):
        return not desired or (isinstance(live, dict) and _is_part(desired, live, quantities=quantities))
    if isinstance(desired, list):
        return not desired or (isinstance(live, list) and _is_like(desired, live, quantities=quantities))
    return desired == live or _same(desired, live, quantities=quantities)


def _is_part(desired: dict[str, Any], live: dict[str, Any], *, quantities: bool) -> bool:
    # Loops, not generators: this runs over every field of every child.
    for key, value in desired.items():
        if not is_subset(value, live.get(key), quantities=quantities or key in _QUANTITY_KEYS):
            return False
    return True


def _is_like(desired: list[Any], live: list[Any], *, quantities: bool) -> bool:
    if len(desired) != len(live):
        return False
    for one, other in zip(desired, live, strict=True):  # noqa: SIM110
        if not is_subset(one, other, quantities=quantities):
            return False
    return True


def _same(desired: Any, live: Any, *, quantities: bool) -> bool:
    if live is None and desired in ("", None, False):
        return True
    if not quantities or not isinstance(desired, (int, str)) or not isinstance(live, (int, str)):
        return False
    try:
        return parse_quantity(desired) == parse_quantity(live)
    except ValueError:
        return False
