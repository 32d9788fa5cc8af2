"""What this machine lacks for a cluster, found before anything is changed: each problem with its remedy."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

from . import layout, packages
from .commands import run
from .errors import LocalError
from .firewall import is_kubernetes, parse
from .paths import Paths
from .processes import Supervisor
from .sockets import conflicts, holder, listeners
from .tools import GO_MINIMUM, go_version, parse_go_version

GIB = 1024**3
FIRST_DISK = 15 * GIB
LATER_DISK = 2 * GIB
MEMORY = 4 * GIB
CONTROLLERS = ("cpu", "cpuset", "memory", "pids")


def check(paths: Paths) -> None:
    """Raise one LocalError with every problem of this machine."""
    problems = [*_system(), *_go(), *_space(paths)]
    if not problems:
        problems = [*_packages(), *_ports(paths), *_strangers(paths)]
    if problems:
        raise LocalError("this machine is not ready:\n" + "\n".join(f"  - {problem}" for problem in problems))


def _system() -> Iterator[str]:
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        yield f"Linux on x86_64 or aarch64 is needed, this is {sys.platform} on {platform.machine()}"
        return
    if os.geteuid() != 0:
        yield "root is needed for the bridge, mounts and cgroups; run it with sudo -E (integration tests need no root)"
    absent = missing_controllers(_cgroup_controllers())
    if absent:
        yield f"the cgroup controllers {', '.join(absent)} are not available; enable them on the kernel command line"
    if "overlay" not in Path("/proc/filesystems").read_text() and not Path("/sys/module/overlay").exists():
        yield "the kernel offers no overlay filesystem; run `modprobe overlay`"


def _cgroup_controllers() -> set[str]:
    unified = Path("/sys/fs/cgroup/cgroup.controllers")
    if unified.exists():
        return set(unified.read_text().split())
    return {name for path in Path("/sys/fs/cgroup").glob("*") for name in path.name.split(",")}


def missing_controllers(present: set[str]) -> list[str]:
    """Return the cgroup controllers that the kubelet needs and that are not there."""
    return [name for name in CONTROLLERS if name not in present]


def _go() -> Iterator[str]:
    wanted = ".".join(str(part) for part in GO_MINIMUM)
    if not shutil.which("go"):
        yield f"Go >= {wanted} is needed to build Kubernetes and is not on PATH; install it from https://go.dev/dl"
    elif parse_go_version(go_version()) < GO_MINIMUM:
        yield f"Go >= {wanted} is needed, this is {go_version()!r}; install a newer one from https://go.dev/dl"


def _space(paths: Paths) -> Iterator[str]:
    for name, folder in (("MODELYARD_HOME", paths.home), ("MODELYARD_CACHE", paths.cache)):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        wanted = LATER_DISK if folder.exists() else FIRST_DISK
        free = shutil.disk_usage(existing).free
        if free < wanted:
            yield (
                f"{folder} needs {wanted // GIB} GiB free and has {free / GIB:.1f} GiB; "
                f"free some or set {name} to a folder on another disk"
            )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if memory < MEMORY:
        yield f"{MEMORY // GIB} GiB of memory are needed, this machine has {memory / GIB:.1f} GiB"


def _packages() -> Iterator[str]:
    missing = packages.missing()
    if missing and not shutil.which("apt-get"):
        yield f"not installed and no apt-get to do it: {', '.join(missing)}; install them with your package manager"


def _ports(paths: Paths) -> Iterator[str]:
    ours = Supervisor(paths.run, paths.logs)
    present = listeners()
    for (address, port), name in layout.LISTENERS.items():
        if ours.record(name) is None:
            for one in conflicts(address, port, present):
                yield f"{one.address}:{port} is taken by {holder(one.inode)}, {name} needs {address}:{port}; stop that"


def _strangers(paths: Paths) -> Iterator[str]:
    """Find another cluster or network that ours would collide with; only before our first change."""
    if Path("/sys/class/net", layout.BRIDGE).exists() or paths.run.exists() or packages.missing():
        return
    tables = parse(run(["iptables-save"]))
    if any(is_kubernetes(chain) for table in tables for chain in table.chains):
        yield "another Kubernetes has KUBE-* firewall chains on this machine; stop that cluster first"
    taken = overlapping_routes(json.loads(run(["ip", "-json", "-4", "route"])))
    if taken:
        yield f"the ranges {layout.POD_RANGE} and {layout.SERVICE_RANGE} collide with the route(s) {', '.join(taken)}"


def overlapping_routes(routes: list[dict[str, str]]) -> list[str]:
    """Return the routes (as `destination dev interface`) that overlap our ranges; the default route does not count."""
    ours = [ip_network(layout.POD_RANGE), ip_network(layout.SERVICE_RANGE)]
    return [
        f"{route['dst']} dev {route.get('dev', '?')}"
        for route in routes
        if route["dst"] != "default" and any(ip_network(route["dst"]).overlaps(one) for one in ours)
    ]
