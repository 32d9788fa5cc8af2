"""The table of the cluster's parts, and whether all of them are well."""

from __future__ import annotations

from dataclasses import dataclass

from . import gpu, layout, network
from .daemons import NAMES, Daemons, is_ready_since
from .errors import LocalError
from .paths import Paths
from .processes import age
from .tools import ToolBox


@dataclass(frozen=True)
class Part:
    """One line of the table; `pid` is empty for what is no process."""

    name: str
    pid: str
    age: str
    state: str
    healthy: bool


def parts(paths: Paths) -> list[Part]:
    """Look at every part."""
    daemons = Daemons(paths, ToolBox(paths))
    found = [_process(daemons, name) for name in NAMES]
    bridge = layout.BRIDGE in network.our_interfaces()
    found.append(Part(f"bridge {layout.BRIDGE}", "", "", layout.ADDRESS if bridge else "missing", bridge))
    return [*found, *_node(daemons)]


def _process(daemons: Daemons, name: str) -> Part:
    record = daemons.supervisor.record(name)
    if record is None:
        return Part(name, "", "", "stopped", healthy=False)
    try:
        healthy = daemons.is_healthy(name)
    except (LocalError, OSError):
        healthy = False
    return Part(name, str(record.pid), duration(age(record.started)), "healthy" if healthy else "unhealthy", healthy)


def _node(daemons: Daemons) -> list[Part]:
    try:
        node = daemons.client().get(gpu.NODE_PATH)
    except (LocalError, OSError):
        node = None
    ready = is_ready_since(node, 0)
    count = gpu.advertised(node or {})
    return [
        Part(f"node {layout.NODE}", "", "", "Ready" if ready else "not ready", ready),
        Part("GPUs advertised", "", "", str(count), count == layout.GPUS),
    ]


def duration(seconds: float) -> str:
    """Return an age the way kubectl prints it."""
    whole = int(seconds)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= 2 * size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def table(found: list[Part]) -> str:
    """Return the parts as aligned text."""
    rows = [("PART", "PID", "AGE", "STATE"), *((part.name, part.pid, part.age, part.state) for part in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
