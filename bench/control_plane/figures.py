"""What is measured, line by line: readable while it runs, and by the report afterwards."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

POINTS = 120


class Figures:
    """Writes a results file of JSON lines; the first one tells where and of what it is."""

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        self._began = time.monotonic()
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        self._write({"kind": "head", **machine(), **head})

    def add(
        self, figure: str, value: float, unit: str, *, models: int = 0, beside: tuple[str, float] | None = None
    ) -> None:
        """Write a figure; `beside` is the name and the value of what it is a multiple of."""
        line: dict[str, Any] = {"figure": figure, "value": round(value, 4), "unit": unit}
        if models:
            line["models"] = models
        text = f"{figure} {value:.4g} {unit}"
        if beside and beside[1]:
            line |= {"ratio_to": beside[0], "ratio": round(value / beside[1], 3)}
            text += f", {value / beside[1]:.2f} x {beside[0]}"
        self._write(line)
        self.say(text)

    def curve(self, name: str, models: int, times: Sequence[float]) -> None:
        """Write when each of some things happened, in seconds, as at most 120 points of time and count."""
        ordered = sorted(times)
        step = max(1, len(ordered) // POINTS)
        kept = sorted({*range(0, len(ordered), step), len(ordered) - 1}) if ordered else []
        points = [[round(ordered[at], 4), at + 1] for at in kept]
        self._write({"curve": name, "models": models, "points": points})

    def say(self, text: str) -> None:
        """Print progress."""
        print(f"[{time.monotonic() - self._began:7.1f} s] {text}", flush=True)

    def _write(self, line: dict[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def machine() -> dict[str, Any]:
    """Date, machine and how busy it was before anything was measured."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least `part` of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-part * len(ordered) // 1) - 1))]
