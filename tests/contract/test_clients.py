"""Clients that users have work unchanged: Triton's, over HTTP and over gRPC."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.server import live
from unit.server.live import LiveServer, echo_card

CLIENTS = Path(__file__).parent / "clients"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    models = {"a/1": echo_card(), "a/2": echo_card(), "b": echo_card()}
    port = live.free_port()
    server = live.start_repository(tmp_path, models, model_control="explicit", grpc_port=port)
    yield server
    server.stop()


def test_triton_clients_work_unchanged(server: LiveServer) -> None:
    ports = (str(server.port), str(server.service.settings.grpc_port))
    command = [sys.executable, "-W", "ignore", str(CLIENTS / "triton_client.py"), *ports]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
