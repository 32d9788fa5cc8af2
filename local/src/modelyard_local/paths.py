"""Where everything lives: state that `down` removes, a cache that it keeps, and the project itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Paths:
    """The folders of one local cluster.

    `home` holds the cluster's state, `cache` what is costly to make and shared by every clone.
    """

    home: Path
    cache: Path
    project: Path = PROJECT

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Paths:
        """Read MODELYARD_HOME and MODELYARD_CACHE, with their defaults."""
        user_home = Path(environ.get("HOME", "/root"))
        return cls(
            home=Path(environ.get("MODELYARD_HOME") or "/var/lib/modelyard-local").absolute(),
            cache=Path(environ.get("MODELYARD_CACHE") or user_home / ".cache" / "modelyard").absolute(),
        )

    @property
    def tool_sources(self) -> Path:
        """One folder per tool family: go.mod, go.sum, sometimes a main.go."""
        return self.project / "local" / "tools"

    @property
    def image_sources(self) -> Path:
        """Dockerfiles of the images that only the local cluster needs."""
        return self.project / "local" / "images"

    @property
    def binaries(self) -> Path:
        """Built tools, one folder per family and content."""
        return self.cache / "bin"

    @property
    def links(self) -> Path:
        """kubectl, helm and the others under their plain names, for a shell's PATH."""
        return self.home / "bin"

    @property
    def pki(self) -> Path:
        """Keys and certificates; readable by the owner only."""
        return self.home / "pki"

    @property
    def config(self) -> Path:
        """Rendered configuration files."""
        return self.home / "config"

    @property
    def run(self) -> Path:
        """Records of running processes."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.home / "log"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.home / "admin.kubeconfig"

    @property
    def etcd(self) -> Path:
        """The cluster's objects."""
        return self.home / "etcd"

    @property
    def containerd(self) -> Path:
        """containerd's private root, state and socket."""
        return self.home / "containerd"

    @property
    def containerd_socket(self) -> Path:
        """containerd's private socket."""
        return self.containerd / "containerd.sock"

    @property
    def kubelet(self) -> Path:
        """The kubelet's root: volumes, plugins, checkpoints."""
        return self.home / "kubelet"

    @property
    def images(self) -> Path:
        """Image builds and the registry's content: what `down --keep-images` keeps."""
        return self.home / "images"

    @property
    def changes(self) -> Path:
        """What `up` changed on the machine, so that `down` can put it back."""
        return self.home / "machine-changes.json"
