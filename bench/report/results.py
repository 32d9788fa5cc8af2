"""A results file of JSON lines, parsed. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Point = tuple[float, float]


@dataclass(frozen=True)
class Figure:
    """One measured figure; `ratio` is its multiple of the figure that `ratio_to` names."""

    value: float
    unit: str
    ratio: float | None = None
    ratio_to: str = ""


@dataclass(frozen=True)
class Results:
    """Figures and curves by name and number of models; 0 where the number does not matter."""

    head: dict[str, Any]
    figures: dict[tuple[str, int], Figure] = field(default_factory=dict)
    curves: dict[tuple[str, int], list[Point]] = field(default_factory=dict)

    @property
    def sizes(self) -> list[int]:
        """The numbers of models that were measured on a real control plane, ascending."""
        return sorted({models for name, models in self.figures if name == "bare.children"})

    def names(self, prefix: str) -> list[str]:
        """Names of figures that begin with a prefix, in the order of the file."""
        return list(dict.fromkeys(name for name, _ in self.figures if name.startswith(prefix)))

    def sizes_of(self, curve: str) -> list[int]:
        """The numbers of models for which there is a curve, ascending."""
        return sorted(models for name, models in self.curves if name == curve)


def parse(lines: Iterable[str]) -> Results:
    """Read a file. The first line tells of the machine; ValueError when it does not."""
    documents = [json.loads(line) for line in lines if line.strip()]
    if not documents or documents[0].get("kind") != "head":
        raise ValueError("the first line of the results has no kind: head; measure anew with make bench-control-plane")
    found = Results(documents[0])
    for one in documents[1:]:
        models = one.get("models", 0)
        if "curve" in one:
            found.curves[one["curve"], models] = [(point[0], point[1]) for point in one["points"]]
        else:
            figure = Figure(one["value"], one["unit"], one.get("ratio"), one.get("ratio_to", ""))
            found.figures[one["figure"], models] = figure
    return found
