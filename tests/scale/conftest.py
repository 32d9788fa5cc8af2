"""One cluster for all tests of a file that share it; a namespace for each test."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.running import MODELS, Cluster
from scale.running import Journal, Process, scale_cluster


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster."""
    with scale_cluster(tmp_path_factory.mktemp("scale")) as found:
        yield found


@pytest.fixture
def start(shared: Cluster, tmp_path: Path) -> Iterator[Callable[[], Process]]:
    """Starts operators; those that still run at the end of the test are ended."""
    started: list[Process] = []

    def begin() -> Process:
        started.append(Process(shared, tmp_path / f"operator-{len(started)}.log"))
        return started[-1]

    yield begin
    for one in started:
        one.end()


@pytest.fixture
def operator(start: Callable[[], Process]) -> Process:
    """An operator that leads."""
    found = start()
    found.quiet()
    return found


@pytest.fixture
def journal(shared: Cluster) -> Journal:
    """The audit log from here on."""
    return Journal(shared)


@pytest.fixture
def namespace(shared: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:50].strip("-")
    shared.kubectl("create", "namespace", name)
    yield name
    # Models first, all in one request: in a namespace that ends, the next test's operator would try to keep them alive.
    shared.kubectl("delete", "--raw", MODELS.format(name))
    shared.kubectl("delete", "namespace", name, "--wait=false")
