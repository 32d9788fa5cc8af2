"""The CPU share this container may use: torch and BLAS would otherwise start a thread per core of the node."""

import math
import os
from pathlib import Path

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def cpu_share(cpu_max: Path = CPU_MAX) -> int:
    """Whole CPUs this process may use: the smaller of affinity and cgroup quota, at least 1."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = cpu_max.read_text().split()
        return cores if quota == "max" else max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        return cores
