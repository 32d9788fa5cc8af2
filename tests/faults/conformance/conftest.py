"""Both servers, once for all tests."""

import re
from collections.abc import Iterator

import pytest

from faults.conformance.servers import Fake, Real


@pytest.fixture(scope="session")
def fake() -> Iterator[Fake]:
    """The fake API server."""
    server = Fake()
    yield server
    server.close()


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """A real API server with its controller manager."""
    server = Real(tmp_path_factory.mktemp("conformance"))
    yield server
    server.close()


@pytest.fixture
def namespace(request: pytest.FixtureRequest, real: Real) -> str:
    """A namespace of the test's own."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:50].strip("-")
    real.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}}, "application/json")
    return name
