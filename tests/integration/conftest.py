"""One control plane for all tests of this folder that share it; a namespace for each test."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chart.rendering import NAMESPACE
from integration.running import MODELS, Cluster, Leader, Operator, cluster
from modelyard_local.components import UNBOUND


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The control plane."""
    with cluster(tmp_path_factory.mktemp("integration"), rate=UNBOUND) as found:
        yield found


@pytest.fixture(scope="session")
def account(shared: Cluster) -> Path:
    """Kubeconfig of the operator's own ServiceAccount: what RBAC does not grant, it cannot do."""
    return shared.plane.service_account_kubeconfig(NAMESPACE, "modelyard-operator")


@pytest.fixture(scope="session")
def leader(account: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leader]:
    """Holds the operator that tests share."""
    found = Leader(account, tmp_path_factory.mktemp("leader") / "operator.log")
    yield found
    found.end()


@pytest.fixture
def operator(leader: Leader) -> Iterator[Operator]:
    """An operator that leads; it may have seen other tests."""
    yield leader.running()
    leader.check()


@pytest.fixture
def nobody(leader: Leader) -> None:
    """No operator leads."""
    leader.end()


@pytest.fixture
def fresh(nobody: None, operator: Operator) -> Operator:
    """An operator that leads and has counted nothing yet."""
    return operator


@pytest.fixture
def namespace(shared: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace that admits only pods of the restricted standard."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:50].strip("-")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    client = shared.plane.client()
    client.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    yield name
    if client.get(f"/api/v1/namespaces/{name}") is not None:
        client.request("DELETE", MODELS.format(name))
        client.request("DELETE", f"/api/v1/namespaces/{name}")
