"""up: bring every part from whatever state it is in to a running cluster, independent parts at the same time."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from . import gpu, images, network, objects, packages, preflight, preload
from .daemons import Daemons
from .paths import Paths
from .progress import Progress
from .steps import Step, run_steps
from .tools import Tool, ToolBox, select


@contextmanager
def locked(paths: Paths, progress: Progress) -> Iterator[None]:
    """Let one command at a time change a cluster; the lock lies in the cache, as `down` removes the home."""
    name = hashlib.sha256(str(paths.home).encode()).hexdigest()[:16]
    file = paths.cache / "lock" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.line(f"another command changes {paths.home}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def up(paths: Paths, progress: Progress) -> None:
    """Bring the cluster up, or heal it."""
    with locked(paths, progress):
        preflight.check(paths)
        progress.line("preflight: this machine is ready")
        tools = ToolBox(paths)
        run_steps(_steps(paths, tools, progress), progress)


def tool_step(name: str, chosen: Sequence[Tool], tools: ToolBox, progress: Progress, *, after: str = "") -> Step:
    """Return a step that builds tools one after the other (Go itself uses both cores)."""

    def build() -> str:
        missing = tools.missing(chosen)
        for tool in missing:
            with progress.task(f"build {tool.name}"):
                tools.build(tool)
        return f"built {', '.join(tool.name for tool in missing)}" if missing else ""

    return Step(name, build, (after,) if after else (), heavy=True)


def _steps(paths: Paths, tools: ToolBox, progress: Progress) -> list[Step]:
    daemons = Daemons(paths, tools)
    builder = images.Builder(paths, tools)
    api = select("api")
    node = [tool for tool in select("node") if tool not in api]
    rest = [tool for tool in select("all") if tool not in (*api, *node)]

    def daemon(name: str, *needs: str) -> Step:
        return Step(name, lambda: daemons.ensure(name), needs)

    return [
        Step("packages", lambda: packages.ensure(paths.logs / "packages.log")),
        tool_step("tools of the API", api, tools, progress),
        Step("certificates", daemons.pki, ("packages",)),
        Step("network", lambda: network.ensure(paths.changes), ("packages",)),
        Step("base image", builder.base, ("packages",), heavy=True),
        daemon("etcd", "tools of the API", "certificates"),
        daemon("kube-apiserver", "etcd", "network"),
        tool_step("tools of the node", node, tools, progress, after="tools of the API"),
        Step("cluster objects", lambda: objects.ensure(daemons.client()), ("kube-apiserver",)),
        daemon("kube-controller-manager", "kube-apiserver", "tools of the node"),
        daemon("kube-scheduler", "kube-apiserver", "tools of the node"),
        daemon("registry", "tools of the node"),
        *image_steps([images.PAUSE.name], builder),
        Step(
            "containerd",
            lambda: daemons.ensure("containerd", builder.reference(images.PAUSE.name)),
            ("packages", "tools of the node"),
        ),
        daemon("kubelet", "containerd", "cluster objects"),
        daemon("kube-proxy", "cluster objects", "tools of the node"),
        daemon("coredns", "cluster objects", "tools of the node"),
        Step("node", daemons.node_ready, ("kubelet", "kube-controller-manager", f"image {images.PAUSE.name}")),
        Step("GPUs", lambda: gpu.ensure(daemons.client()), ("node",)),
        tool_step("other tools", rest, tools, progress, after="tools of the node"),
        Step("links", _linker(paths, tools), ("other tools",)),
        *image_steps([name for name in images.NAMES if name != images.PAUSE.name], builder),
        *(_preload_step(paths, name) for name in images.NAMES),
    ]


def image_steps(names: Sequence[str], builder: images.Builder) -> list[Step]:
    """Return the steps that build and push images, those that share layers one after the other."""

    def step(name: str) -> Step:
        before = [f"image {other}" for other in images.predecessors(name) if other in names]
        needs = ("registry", *before, *builder.needs(name))
        return Step(f"image {name}", lambda: builder.build(name), needs, heavy=name != images.PAUSE.name)

    return [step(name) for name in names]


def _preload_step(paths: Paths, name: str) -> Step:
    def load() -> str:
        reference = images.references(paths).get(name)
        return preload.ensure(paths.containerd_socket, reference) if reference else "skipped: not built"

    return Step(f"preload {name}", load, ("containerd", f"image {name}"), heavy=True)


def _linker(paths: Paths, tools: ToolBox) -> Callable[[], str]:
    def link() -> str:
        """Put the tools under their plain names into one folder for PATH."""
        changed = 0
        paths.links.mkdir(parents=True, exist_ok=True)
        for tool in select("all"):
            name, target = paths.links / tool.name, tools.path(tool.name)
            if not name.is_symlink() or name.readlink() != target:
                name.unlink(missing_ok=True)
                name.symlink_to(target)
                changed += 1
        return f"{changed} made in {paths.links}" if changed else ""

    return link
