"""down: remove everything that `up` made, then prove that nothing is left.

Order matters: first what would start things again (controllers, kubelet), then containers, then containerd,
and only then mounts, network and files. Everything is found by a name or path that is ours alone.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

from . import layout, network
from .commands import run
from .daemons import NAMES
from .errors import LocalError
from .paths import Paths
from .processes import Supervisor, start_time, terminate
from .progress import Progress

CGROUPS = Path("/sys/fs/cgroup")
KUBELET_SHARED = Path("/var/lib/kubelet")
CNI_RESULTS = Path("/var/lib/cni/results")
POD_LOG_LINKS = Path("/var/log/containers")
_STOP_ORDER = ("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns")
_PATIENCE = 15.0
_SHIM_PATIENCE = 3.0


def down(paths: Paths, progress: Progress, *, keep_images: bool) -> None:
    """Stop and remove the cluster; a LocalError lists whatever is left.

    The bridge, the pods' cgroups and the firewall chains have no folder that says whose they are: they are
    this home's if its note of changes to the machine exists, as `up` refuses to start beside another cluster.
    """
    owns_node = paths.changes.exists()
    processes = Supervisor(paths.run, paths.logs)
    for name in _STOP_ORDER:
        processes.stop(name)
    if owns_node:
        with progress.task("containers"):
            _kill_containers(paths)
    with progress.task("processes"):
        for name in dict.fromkeys([*reversed(NAMES), *processes.names()]):
            processes.stop(name)
    with progress.task("mounts, network, cgroups, files"):
        unmount_below(paths.home)
        if owns_node:
            network.remove(paths.changes)
            _remove_cgroups()
            _remove_files_outside(paths)
        left = _leftovers(paths, owns_node=owns_node)
        if not left:
            _remove_home(paths, keep_images=keep_images)
    if left:
        raise LocalError("down could not remove:\n" + "\n".join(f"  - {one}" for one in left))


def _leftovers(paths: Paths, *, owns_node: bool) -> list[str]:
    """Return everything outside the home that is still on the machine; while there is any, the home stays."""
    found = [f"process {pid}: {command}" for pid, command in our_processes(paths)]
    found += [f"mount {target}" for target in mounts_below(paths.home)]
    if owns_node:
        found += [f"interface {name}" for name in network.our_interfaces()]
        found += [f"firewall chain {chain}" for chain in network.our_rules()]
        found += [f"cgroup {folder}" for folder in _pod_cgroups()]
    return found


def our_processes(paths: Paths) -> list[tuple[int, str]]:
    """Return processes whose command line names our home: daemons and containerd's shims."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if is_ours([word.decode(errors="replace") for word in words], paths.home):
            found.append((int(folder.name), b" ".join(words[:4]).decode(errors="replace")))
    return found


def is_ours(words: list[str], home: Path) -> bool:
    """Return whether a command line is of a daemon or shim of the cluster in `home`.

    The program must be one of ours too: a person's `tail` on a log names our home as well.
    """
    program = Path(words[0]).name if words else ""
    names_home = any(f"{home}/" in word for word in words[1:])
    return names_home and (program in NAMES or program == "containerd-shim-runc-v2")


def mounts_below(folder: Path) -> list[str]:
    """Return the mount points below a folder, the deepest first."""
    return parse_mounts(Path("/proc/self/mountinfo").read_text(), folder)


def parse_mounts(mountinfo: str, folder: Path) -> list[str]:
    """Read the mount points below a folder from /proc/PID/mountinfo, the last mounted first."""
    points = [line.split()[4].replace("\\040", " ") for line in mountinfo.splitlines()]
    return [point for point in reversed(points) if point.startswith(f"{folder}/")]


def unmount_below(folder: Path) -> None:
    """Unmount everything below a folder; what is busy is detached."""
    for point in mounts_below(folder):
        run(["umount", "--lazy", point], check=False)


def _kill_containers(paths: Paths) -> None:
    """Kill the containers' processes by their cgroups; then end the shims, which outlive containerd.

    While containerd runs it ends the shim of a dead container itself, and that shim removes its socket.
    """
    for pid in _processes_of_pods():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _wait_until_none(_processes_of_pods, _PATIENCE)
    _wait_until_none(lambda: _shims(paths), _SHIM_PATIENCE)
    for pid in _shims(paths):
        terminate(pid, start_time(pid) or 0, _SHIM_PATIENCE)


def _shims(paths: Paths) -> list[int]:
    return [pid for pid, command in our_processes(paths) if "containerd-shim" in command]


def _wait_until_none(find: Callable[[], Collection[int]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while find() and time.monotonic() < deadline:
        time.sleep(0.1)


def _pod_cgroups() -> list[Path]:
    """Return the cgroups of pods: one `kubepods` in every hierarchy of cgroup v1, or one in cgroup v2's."""
    return [path for path in (CGROUPS / "kubepods", *CGROUPS.glob("*/kubepods")) if path.is_dir()]


def _processes_of_pods() -> set[int]:
    pids = set()
    for root in _pod_cgroups():
        for file in root.rglob("cgroup.procs"):
            pids |= {int(line) for line in _read(file).split()}
    return {pid for pid in pids if start_time(pid) is not None}


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def _remove_cgroups() -> None:
    """Remove the emptied cgroups, the deepest first; one that is still busy is reported as left over."""
    for root in _pod_cgroups():
        for folder in [*sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True), root]:
            with suppress(OSError):
                folder.rmdir()


def _remove_files_outside(paths: Paths) -> None:
    for path in list(_files_outside(paths)):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for folder in (POD_LOG_LINKS, KUBELET_SHARED, CNI_RESULTS, CNI_RESULTS.parent):
        with suppress(OSError):  # not empty, so somebody else's too; or not there
            folder.rmdir()


def _remove_home(paths: Paths, *, keep_images: bool) -> None:
    for path in paths.home.glob("*"):
        if not (keep_images and path == paths.images):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if paths.home.is_dir() and not any(paths.home.iterdir()):
        paths.home.rmdir()


def _files_outside(paths: Paths) -> Iterator[Path]:
    """Yield what the kubelet, CNI and containerd write to fixed places, as far as it is of our cluster."""
    for link in POD_LOG_LINKS.glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{paths.home}/"):
            yield link
    for result in CNI_RESULTS.glob(f"{layout.CNI_NETWORK}-*-eth0"):
        container = result.name.removeprefix(f"{layout.CNI_NETWORK}-").removesuffix("-eth0")
        yield result
        yield from CNI_RESULTS.glob(f"cni-loopback-{container}-lo")
    plugins = KUBELET_SHARED / "device-plugins"
    if plugins.is_dir() and {path.name for path in KUBELET_SHARED.iterdir()} == {plugins.name}:
        yield plugins
