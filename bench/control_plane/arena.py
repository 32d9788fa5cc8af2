"""A fresh cluster for each measurement, so that none inherits the objects of another."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from modelyard_local.api import ApiClient
from modelyard_local.audit import AuditLog
from modelyard_local.components import UNBOUND
from modelyard_local.controlplane import ControlPlane
from modelyard_local.simulation import Nodes, SimulatedNodes
from modelyard_operator.bundle import parse

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "modelyard-system"
ACCOUNT = "modelyard-operator"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/modelyard-operator"
RUNTIMES = "/apis/modelyard.dev/v1alpha1/modelruntimes"
NODES = Nodes("node", 40)
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "ClusterRole": f"{_RBAC}/clusterroles",
    "ClusterRoleBinding": f"{_RBAC}/clusterrolebindings",
    "Role": f"{_RBAC}/namespaces/{NAMESPACE}/roles",
    "RoleBinding": f"{_RBAC}/namespaces/{NAMESPACE}/rolebindings",
}


@dataclass
class Arena:
    """A running cluster with what an installation brings, without the operator."""

    plane: ControlPlane

    def __post_init__(self) -> None:
        self._log = AuditLog(self.plane.audit_log)

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self.plane.server

    @property
    def pki(self) -> Path:
        """Keys of the administrator."""
        return self.plane.pki

    def kubeconfig(self) -> tuple[Path, str]:
        """Of the operator's own ServiceAccount, and how the audit log calls who uses it."""
        return self.plane.process_kubeconfig(NAMESPACE, ACCOUNT)

    def namespace(self, name: str) -> None:
        """Make a namespace."""
        self.plane.client().request("POST", _PATHS["Namespace"], {"metadata": {"name": name}})

    async def led(self) -> None:
        """Wait until somebody holds the operator's Lease."""
        while not await asyncio.to_thread(self._leader):  # noqa: ASYNC110 - it is another process that takes it
            await asyncio.sleep(0.02)

    def _leader(self) -> str:
        lease = self.plane.client().get(LEASE)
        return str((lease or {"spec": {}})["spec"].get("holderIdentity") or "")

    def forget_requests(self) -> None:
        """Begin to count anew."""
        self._log.skip()

    def requests(self, credential: str) -> Counter[tuple[str, str, bool]]:
        """Requests of one process since then: verb, resource and whether it writes. Its Lease is not counted."""
        return Counter(
            (one.verb, f"{one.resource}/{one.subresource}".rstrip("/"), one.writes)
            for one in self._log.read()
            if one.credential == credential and one.resource != "leases"
        )


@contextmanager
def store(folder: Path) -> Iterator[Arena]:
    """An etcd and an API server in `folder`: objects are stored and nobody acts on them, so that no pod takes CPU."""
    with ControlPlane(folder, audited=True) as plane:
        _install(plane.client())
        yield Arena(plane)


@contextmanager
def cluster(folder: Path) -> Iterator[Arena]:
    """The same with controllers, a scheduler and 40 nodes: Deployments become available."""
    plane = ControlPlane(folder, controller_manager=True, rate=UNBOUND, audited=True)
    with plane, SimulatedNodes(plane, NODES, rate=UNBOUND):
        _install(plane.client())
        yield Arena(plane)


def default_runtime() -> dict[str, Any]:
    """The ModelRuntime that an installation brings along."""
    [bundle] = [one["data"]["bundle.yaml"] for one in _installed() if "bundle.yaml" in one.get("data", {})]
    [runtime] = [one for one in parse(bundle.encode(), "bench") if one["kind"] == "ModelRuntime"]
    return runtime


def _install(client: ApiClient) -> None:
    for document in _installed():
        if document["kind"] in _PATHS:
            client.apply(f"{_PATHS[document['kind']]}/{document['metadata']['name']}", document)
    runtime = default_runtime()
    _once_served(client, f"{RUNTIMES}/{runtime['metadata']['name']}", runtime)


def _installed() -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all((ROOT / "manifests" / "install.yaml").read_text()) if one]


def _once_served(client: ApiClient, path: str, body: dict[str, Any]) -> None:
    """Apply an object of a kind that the API server needs a moment to serve."""
    deadline = time.monotonic() + 30
    while True:
        try:
            client.apply(path, body)
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
