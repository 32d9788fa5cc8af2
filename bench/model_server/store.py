"""Results as JSON lines. A peer that is measured anew replaces its own lines; the others stay."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from bench.model_server.measure import Figure
from bench.model_server.peers import ECHO

Line = dict[str, Any]


def merged(figures: Iterable[Figure]) -> dict[str, tuple[float, str, list[float]]]:
    """Mean, unit and the single values of every figure; of what was lost the sum counts, of codes the worst."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    units: dict[str, str] = {}
    for one in figures:
        values[one.name].append(one.value)
        units[one.name] = one.unit
    return {name: (_joined(name, found), units[name], found) for name, found in values.items()}


def _joined(name: str, values: list[float]) -> float:
    if name.endswith((".lost", ".errors")):
        return sum(values)
    if name.endswith((".code", ".left")):
        return max(values, key=abs)
    return mean(values)


def lines(peer: str, about: Mapping[str, Any], figures: Iterable[Figure], yardstick: Iterable[Figure]) -> list[Line]:
    """A head for the peer, then its figures with their multiple of the echo that ran beside it."""
    echo = merged(yardstick)
    found: list[Line] = [{"kind": "peer", "peer": peer, **about}]
    for name, (value, unit, single) in merged(figures).items():
        line: Line = {"figure": name, "peer": peer, "value": _round(value), "unit": unit}
        line["runs"] = [_round(one) for one in single]
        if name in echo and name.endswith((".rps", ".cpu")) and peer != ECHO and echo[name][0]:
            line |= {"ratio": _round(value / echo[name][0]), "ratio_to": f"{ECHO} {name}"}
        found.append(line)
    return found


def _round(value: float) -> float:
    return round(value, 4 if abs(value) < 10 else 1)


def write(path: Path, head: Line, peer: str, found: Iterable[Line]) -> None:
    """Replace the lines of one peer."""
    before = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    kept = [line for line in before if line.get("peer") not in (None, peer)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in (head, *kept, *found)))
