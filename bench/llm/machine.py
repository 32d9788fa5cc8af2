"""The machine: what is known of it, and how fast its memory is read, which bounds every answer."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any

import torch

MEGABYTES = 512


def bandwidth(threads: int) -> float:
    """Gigabytes a second that a sum over more than the cache reads; the best of ten."""
    torch.set_num_threads(threads)
    values = torch.ones(MEGABYTES * 1024 * 1024 // 4)
    best = min(_timed(values) for _ in range(10))
    return values.nbytes / best / 1e9


def _timed(values: torch.Tensor) -> float:
    started = time.perf_counter()
    values.sum()
    return time.perf_counter() - started


def head(threads: int) -> dict[str, Any]:
    """The first line of the results."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "kind": "head", "cpu": names[0] if names else platform.machine(), "cpus": os.cpu_count(), "threads": threads,
        "python": platform.python_version(), "torch": torch.__version__, "bandwidth": round(bandwidth(threads), 1),
    }  # fmt: skip
