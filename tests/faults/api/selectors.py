"""Label selectors. Pure."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

Matches = Callable[[Mapping[str, str]], bool]
_SET = re.compile(r"^(\S+)\s+(in|notin)\s+\(([^)]*)\)$")


@lru_cache(maxsize=256)
def selector(text: str) -> Matches:
    """Whether labels match: `a=b`, `a!=b`, `a`, `!a`, `a in (b, c)`, `a notin (b, c)`, by commas."""
    tests = [_requirement(part.strip()) for part in re.split(r",(?![^(]*\))", text) if part.strip()]
    return lambda labels: all(test(labels) for test in tests)


def _requirement(text: str) -> Matches:
    if found := _SET.match(text):
        name, operator, inside = found.groups()
        values = {value.strip() for value in inside.split(",")}
        return lambda labels: (labels.get(name) in values) == (operator == "in")
    if "!=" in text:
        name, value = text.split("!=", 1)
        return lambda labels: labels.get(name) != value
    if "=" in text:
        name, value = text.replace("==", "=").split("=", 1)
        return lambda labels: labels.get(name) == value
    if text.startswith("!"):
        return lambda labels: text[1:] not in labels
    return lambda labels: text in labels
