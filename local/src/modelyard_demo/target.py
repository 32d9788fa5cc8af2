"""Which cluster the demo runs on, and where its images come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from modelyard_local import cluster, images, tools
from modelyard_local.errors import LocalError
from modelyard_local.paths import Paths
from modelyard_local.progress import Progress

from .kube import Kube, program

NEEDED = ("operator", "gateway", "model-server", "trainer", "object-store")


@dataclass(frozen=True)
class Target:
    """A cluster that answers, and the image references that it can pull."""

    kube: Kube
    images: Mapping[str, str]
    name: str
    local: bool

    def gpus(self) -> int:
        """GPUs that all nodes advertise."""
        nodes = self.kube.get("nodes")["items"]
        return sum(int(node["status"].get("allocatable", {}).get("nvidia.com/gpu", "0")) for node in nodes)


def choose(environment: Mapping[str, str]) -> Target:
    """The local cluster, brought up if need be; or with MODELYARD_CLUSTER=current the one that kubectl talks to."""
    wanted = environment.get("MODELYARD_CLUSTER", "local")
    if wanted == "local":
        return _local(Paths.from_env(environment))
    if wanted == "current":
        return _current(Paths.from_env(environment), environment.get("REGISTRY", ""))
    raise LocalError(f"MODELYARD_CLUSTER is {wanted!r}; use `local` (the default) or `current`")


def _local(paths: Paths) -> Target:
    cluster.up(paths, Progress())
    box = tools.ToolBox(paths)
    kube = Kube(program("kubectl", box.path("kubectl")), program("helm", box.path("helm")), paths.kubeconfig)
    return Target(kube, images.references(paths), "the local cluster", local=True)


def _current(paths: Paths, registry: str) -> Target:
    box = tools.ToolBox(paths)
    kube = Kube(program("kubectl", box.path("kubectl")), program("helm", box.path("helm")), None)
    if not registry:
        raise LocalError(
            "MODELYARD_CLUSTER=current needs REGISTRY, where the cluster finds the images; "
            "push them with `make images REGISTRY=registry.example/team` or `docker build`, see the README"
        )
    if not kube.succeeds("version"):
        raise LocalError("kubectl does not reach a cluster; check `kubectl config current-context`")
    context = kube.run("config", "current-context").strip()
    references = {name: f"{registry.rstrip('/')}/{images.REPOSITORY}/{name}:{images.VERSION}" for name in NEEDED}
    return Target(kube, references, f"cluster {context}", local=False)
