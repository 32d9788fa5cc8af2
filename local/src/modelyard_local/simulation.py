"""Nodes that no machine stands behind: kube-scheduler, and KWOK in the place of every kubelet.

    with ControlPlane(tmp_path, controller_manager=True) as plane:
        with SimulatedNodes(plane, Nodes("cpu", 10), Nodes("gpu", 1, gpus=4)):
            ...

Pods are bound for real and become ready without running; local/tools/kwok/stages.yaml says how to make them slow or
fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import kubeconfig
from .api import JsonObject
from .components import Rate, kwok_arguments, scheduler_arguments
from .controlplane import READY_SECONDS, ControlPlane
from .errors import LocalError
from .paths import Paths
from .pki import Certificate
from .pki import ensure as ensure_pki
from .processes import Running, Spec, Supervisor
from .sockets import answers, free_ports
from .tools import ToolBox

NODES = "/api/v1/nodes"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
CERTIFICATES = [
    Certificate("kube-scheduler", "system:kube-scheduler"),
    Certificate("kwok", "modelyard:simulated-nodes", "system:masters"),
]
_STOPPED = "node.kubernetes.io/not-ready"


@dataclass(frozen=True)
class Nodes:
    """A pool of equal nodes, named `name-0` and so on; `gpus` are nvidia.com/gpu of each."""

    name: str
    count: int
    gpus: int = 0
    pods: int = 250
    labels: Mapping[str, str] = field(default_factory=dict)

    def objects(self) -> Iterator[JsonObject]:
        """Yield the Node objects."""
        room = {"cpu": "256", "memory": "2Ti", "pods": str(self.pods)}
        if self.gpus:
            room["nvidia.com/gpu"] = str(self.gpus)
        for number in range(self.count):
            name = f"{self.name}-{number}"
            yield {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **self.labels}},
                "status": {"capacity": room, "allocatable": room},
            }


class SimulatedNodes(Running):
    """The nodes of one private control plane and the two programs that make them work."""

    def __init__(self, plane: ControlPlane, *pools: Nodes, rate: Rate | None = None) -> None:
        self._plane = plane
        self._pools = pools
        self._rate = rate
        self._paths = Paths.from_env(os.environ)
        self._tools = ToolBox(self._paths)
        self._processes = Supervisor(plane.directory / "run", plane.directory / "log")

    def start(self) -> None:
        """Create the nodes that are missing, start what does not run, and wait until every node takes pods."""
        missing = [name for name in ("kube-scheduler", "kwok") if not self._tools.path(name).exists()]
        if missing:
            raise LocalError(
                f"not built: {', '.join(missing)}; run `python3 -m modelyard_local tools --only {' '.join(missing)}`"
            )
        ensure_pki(self._plane.pki, CERTIFICATES)
        client = self._plane.client()
        for pool in self._pools:
            for node in pool.objects():
                if client.get(f"{NODES}/{node['metadata']['name']}") is None:
                    client.request("POST", NODES, node)
        if self._processes.record("kwok") is None:
            # A KWOK that is gone held the nodes' Leases under another name; the next one would wait until they end.
            client.request("DELETE", LEASES)
        scheduler, kwok = free_ports(2)
        self._ensure("kube-scheduler", scheduler_arguments(self._config("kube-scheduler"), scheduler, self._rate))
        stages = self._paths.tool_sources / "kwok" / "stages.yaml"
        self._ensure("kwok", kwok_arguments(self._config("kwok"), stages, kwok), stages)
        self._processes.wait_ready("kube-scheduler", lambda: answers(scheduler, "/readyz", tls=True), READY_SECONDS)
        self._processes.wait_ready("kwok", self._all_ready, READY_SECONDS)

    def stop(self) -> None:
        """Stop both programs; the nodes stay as objects."""
        for name in ("kwok", "kube-scheduler"):
            self._processes.stop(name)

    def log(self, name: str) -> Path:
        """Return the log of kube-scheduler or kwok."""
        return self._processes.log(name)

    def _config(self, name: str) -> Path:
        path = self._plane.directory / f"{name}.kubeconfig"
        kubeconfig.write_for_certificate(path, self._plane.server, self._plane.pki, name)
        return path

    def _ensure(self, name: str, arguments: list[str], *files: Path) -> None:
        self._processes.ensure(Spec(name, (str(self._tools.path(name)), *arguments), files))

    def _all_ready(self) -> bool:
        nodes = (self._plane.client().get(NODES) or {})["items"]
        return all(takes_pods(node) for node in nodes)


def takes_pods(node: JsonObject) -> bool:
    """Return whether a node is ready, and has lost the taint that it had until then."""
    conditions = node["status"].get("conditions", [])
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and not any(one["key"] == _STOPPED for one in node["spec"].get("taints", []))
