from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from modelyard_server.package.card import ModelCard
from unit.server import echo_engine, live


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.LiveServer]:
    """A server with an FP32 echo model of rows of two."""
    server = live.start(tmp_path_factory.mktemp("echo"))
    yield server
    server.stop()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., live.LiveServer]]:
    """Start servers of a repository, `tmp_path`, with settings of the test's own."""
    echo_engine.gate.clear()
    echo_engine.blocked.clear()
    servers: list[live.LiveServer] = []

    def make(models: Mapping[str, ModelCard], **options: Any) -> live.LiveServer:
        servers.append(live.start_repository(tmp_path, models, **options))
        return servers[-1]

    yield make
    echo_engine.gate.set()
    for server in servers:
        server.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., live.LiveServer]]:
    """Start servers with settings of the test's own; blocked batches are let go at the end."""
    echo_engine.gate.clear()
    echo_engine.blocked.clear()
    echo_engine.batches.clear()
    servers: list[live.LiveServer] = []

    def make(**options: Any) -> live.LiveServer:
        server = live.start(tmp_path / str(len(servers)), **options)
        servers.append(server)
        return server

    yield make
    echo_engine.gate.set()
    for server in servers:
        server.stop()
