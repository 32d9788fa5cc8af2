"""One control plane for all tests of this folder that share it; a namespace for each test."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chart.rendering import NAMESPACE
from integration.running import Cluster, Operator, cluster


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The control plane."""
    with cluster(tmp_path_factory.mktemp("integration")) as found:
        yield found


@pytest.fixture(scope="session")
def account(shared: Cluster) -> Path:
    """Kubeconfig of the operator's own ServiceAccount: what RBAC does not grant, it cannot do."""
    return shared.plane.service_account_kubeconfig(NAMESPACE, "modelyard-operator")


@pytest.fixture
def operator(shared: Cluster, account: Path, tmp_path: Path) -> Iterator[Operator]:
    """An operator that leads."""
    found = Operator(account, tmp_path / "operator.log", MODELYARD_LEASE_DURATION="4")
    found.quiet()
    yield found
    if found.process.poll() is None:
        defects = found.metric("modelyard_reconcile_total", result="error")
        code = found.end()
        said = (tmp_path / "operator.log").read_text()
        assert "is forbidden: User" not in said, f"RBAC lacks something: {said}"
        assert (defects, code) == (0, 0), said


@pytest.fixture
def namespace(shared: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace that admits only pods of the restricted standard."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:50].strip("-")
    shared.kubectl("create", "namespace", name)
    shared.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    shared.kubectl("delete", "modeldeployments", "--all", "--namespace", name, "--wait=false")
    shared.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")
