"""Go programs built from local/tools/<family>: one go.mod and go.sum per family, as their versions must not mix.

Binaries go to a folder of the cache that is named by everything that decides their content, so that a
second clone builds nothing and a changed go.mod never meets an old binary.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .commands import run, run_logged
from .errors import LocalError
from .paths import Paths

GO_MINIMUM = (1, 26)
TIERS = ("api", "node", "all")


@dataclass(frozen=True)
class Tool:
    """One binary: `package` is built in the family's folder; `tier` is the first tier that needs it."""

    name: str
    family: str
    package: str
    tier: str


@dataclass(frozen=True)
class Stamp:
    """How a family's version gets into its binaries: variables (without value) and the module that has it."""

    module: str
    variables: tuple[str, ...]


_KUBERNETES = "k8s.io/kubernetes/cmd/"
TOOLS = (
    Tool("etcd", "etcd", "go.etcd.io/etcd/server/v3", "api"),
    Tool("kube-apiserver", "kubernetes", _KUBERNETES + "kube-apiserver", "api"),
    Tool("kubectl", "kubernetes", _KUBERNETES + "kubectl", "api"),
    Tool("kube-controller-manager", "kubernetes", _KUBERNETES + "kube-controller-manager", "node"),
    Tool("kube-scheduler", "kubernetes", _KUBERNETES + "kube-scheduler", "node"),
    Tool("kubelet", "kubernetes", _KUBERNETES + "kubelet", "node"),
    Tool("kube-proxy", "kubernetes", _KUBERNETES + "kube-proxy", "node"),
    Tool("pause", "pause", ".", "node"),
    Tool("registry", "registry", ".", "node"),
    Tool("coredns", "coredns", ".", "node"),
    Tool("versitygw", "versitygw", "github.com/versity/versitygw/cmd/versitygw", "node"),
    Tool("helm", "helm", "helm.sh/helm/v4/cmd/helm", "all"),
    Tool("kubeconform", "kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", "all"),
    Tool("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", "all"),
)
STAMPS = {
    "kubernetes": Stamp(
        "k8s.io/kubernetes",
        tuple(
            f"{package}.{variable}"
            for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
            for variable in ("gitVersion", "gitMajor", "gitMinor", "gitTreeState")
        ),
    ),
    "helm": Stamp("helm.sh/helm/v4", ("helm.sh/helm/v4/internal/version.version",)),
    "versitygw": Stamp("github.com/versity/versitygw", ("main.Version",)),
    "kubeconform": Stamp("github.com/yannh/kubeconform", ("main.version",)),
}


def select(tier: str, only: Sequence[str] = ()) -> list[Tool]:
    """Return the tools of a tier and of the tiers below it, or those named."""
    if only:
        unknown = sorted(set(only) - {tool.name for tool in TOOLS})
        if unknown:
            raise LocalError(f"no such tool: {', '.join(unknown)}; known: {', '.join(tool.name for tool in TOOLS)}")
        return [tool for tool in TOOLS if tool.name in only]
    return [tool for tool in TOOLS if TIERS.index(tool.tier) <= TIERS.index(tier)]


def module_version(go_mod: str, module: str) -> str:
    """Return the version of a module that a go.mod requires."""
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", go_mod, re.MULTILINE)
    if not found:
        raise LocalError(f"go.mod requires no {module}; run `go mod tidy` in its folder")
    return found.group(1)


def linker_flags(family: str, go_mod: str) -> str:
    """Return the -ldflags of a family: no symbol table, its version stamped."""
    stamp = STAMPS.get(family)
    if stamp is None:
        return "-s -w"
    version = module_version(go_mod, stamp.module)
    major, minor = version.removeprefix("v").split(".")[:2]
    values = {"gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    stamps = [f"-X {name}={values.get(name.rsplit('.', 1)[1], version)}" for name in stamp.variables]
    return " ".join(["-s -w", *stamps])


def family_key(sources: dict[str, bytes], flags: str, go_version: str) -> str:
    """Return the hash that names a family's folder in the cache."""
    state = hashlib.sha256()
    for part in (flags.encode(), go_version.encode(), *(p for n in sorted(sources) for p in (n.encode(), sources[n]))):
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.hexdigest()[:16]


def parse_go_version(text: str) -> tuple[int, int]:
    """Read major and minor from `go version`'s line."""
    found = re.search(r"go(\d+)\.(\d+)", text)
    if not found:
        raise LocalError(f"cannot read a version from `go version`: {text.strip()!r}")
    return int(found.group(1)), int(found.group(2))


@cache
def go_version() -> str:
    """Return `go version`'s line."""
    return run(["go", "version"]).strip()


class ToolBox:
    """Builds tools and tells where they are."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._folders: dict[str, Path] = {}

    def path(self, name: str) -> Path:
        """Return where a tool is, or would be once built."""
        tool = select("all", [name])[0]
        return self._folder(tool.family) / tool.name

    def missing(self, tools: Sequence[Tool]) -> list[Tool]:
        """Return the tools that are not built yet."""
        return [tool for tool in tools if not self.path(tool.name).exists()]

    def build(self, tool: Tool) -> None:
        """Build one tool; another process that builds the same family at the same time is waited for."""
        with self._locked(tool.family):
            target = self.path(tool.name)
            if target.exists():
                return
            source = self._paths.tool_sources / tool.family
            flags = linker_flags(tool.family, (source / "go.mod").read_text())
            temporary = target.with_name(f".{tool.name}.new")
            options = ["-mod=readonly", "-buildvcs=false", "-trimpath", "-p=2", f"-ldflags={flags}"]
            run_logged(
                ["go", "build", *options, "-o", temporary, tool.package],
                self._paths.cache / "log" / f"build-{tool.name}.log",
                cwd=source,
                env={"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""},
            )
            temporary.replace(target)

    def _folder(self, family: str) -> Path:
        if family not in self._folders:
            source = self._paths.tool_sources / family
            names = ("go.mod", "go.sum", "main.go")
            sources = {name: (source / name).read_bytes() for name in names if (source / name).exists()}
            flags = linker_flags(family, sources["go.mod"].decode())
            self._folders[family] = self._paths.binaries / f"{family}-{family_key(sources, flags, go_version())}"
        return self._folders[family]

    @contextmanager
    def _locked(self, family: str) -> Iterator[None]:
        folder = self._folder(family)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
