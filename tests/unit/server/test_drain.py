"""A real process under load gets SIGTERM: no request that it accepted may be lost, and it exits with 0."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from unit.server import live

BODY = json.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}).encode()
SERVE = """
import sys
from modelyard_server.__main__ import main
from modelyard_server.engines import registry
registry.ENGINES["echo"] = "unit.server.echo_engine"
sys.exit(main(sys.argv[1:]))
"""
TESTS = Path(__file__).parents[2]


class Process:
    """A server process on a free port, with an echo package; over gRPC, too, if it gets a port for it."""

    def __init__(self, folder: Path, card_description: str = "", grpc_port: int = 0) -> None:
        package = live.write_package(folder / "package", live.echo_card(description=card_description))
        self.port = live.free_port()
        self.termination = folder / "termination"
        command = [
            sys.executable,
            "-c",
            SERVE,
            "--model",
            str(package),
            "--port",
            str(self.port),
            "--host",
            "127.0.0.1",
            "--grpc-port",
            str(grpc_port),
        ]
        env = {**os.environ, "PYTHONPATH": str(TESTS), "MODELYARD_DRAIN_TIMEOUT": "10"}
        self.process = subprocess.Popen(
            [*command, "--termination-log", str(self.termination)], env=env, stderr=subprocess.PIPE, text=True
        )

    def wait_for(self, text: str) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if text in line:
                return
        raise AssertionError(f"the server ended without {text!r}")


class LoadedClient(threading.Thread):
    """Sends one request after the other, as a balancer's client does: `Connection: close` means connect again.

    Stops a little after the first such answer, when every balancer has heard of the drain, or when refused.
    """

    LATE = 20

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.outcomes: Counter[str] = Counter()

    def run(self) -> None:
        late = 0
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        while late < self.LATE:
            try:
                connection.connect()
            except ConnectionRefusedError:
                self.outcomes["refused"] += 1
                return
            while True:
                closing = self._one(connection)
                if closing:
                    break
            late += 1
            connection.close()

    def _one(self, connection: http.client.HTTPConnection) -> bool:
        """Send one request on an open connection; true when the server wants the connection closed."""
        try:
            connection.request("POST", "/v2/models/echo/infer", BODY)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            self.outcomes[f"lost: {type(error).__name__}"] += 1
            return True
        self.outcomes[str(response.status)] += 1
        return response.getheader("connection", "") == "close"


def test_sigterm_under_load_loses_nothing_and_exits_0(tmp_path: Path) -> None:
    server = Process(tmp_path)
    server.wait_for("model is ready")
    clients = [LoadedClient(server.port) for _ in range(16)]
    for client in clients:
        client.start()
    deadline = threading.Event()
    while sum(client.outcomes["200"] for client in clients) < 500:
        assert not deadline.wait(0.01)
        assert server.process.poll() is None
    server.process.send_signal(signal.SIGTERM)
    for client in clients:
        client.join(20)
    _, stderr = server.process.communicate(timeout=20)
    outcomes = sum((client.outcomes for client in clients), Counter[str]())
    assert set(outcomes) == {"200"}, outcomes
    assert server.process.returncode == 0, stderr
    assert '"unfinished":0' in stderr


def test_sigterm_with_idle_keep_alive_connections_exits_soon(tmp_path: Path) -> None:
    server = Process(tmp_path)
    server.wait_for("model is ready")
    idle = [http.client.HTTPConnection("127.0.0.1", server.port) for _ in range(4)]
    for connection in idle:
        connection.request("GET", "/v2/health/live")
        connection.getresponse().read()
    server.process.send_signal(signal.SIGTERM)
    server.process.communicate(timeout=8)
    for connection in idle:
        connection.close()
    assert server.process.returncode == 0


def test_sigterm_while_loading_exits_0(tmp_path: Path) -> None:
    server = Process(tmp_path, "blocks while it loads")
    server.wait_for("listening")
    server.process.send_signal(signal.SIGTERM)
    server.process.communicate(timeout=8)
    assert server.process.returncode == 0


def test_a_model_that_does_not_load_exits_1_and_tells_why(tmp_path: Path) -> None:
    server = Process(tmp_path, "does not load")
    server.process.communicate(timeout=20)
    assert server.process.returncode == 1
    assert json.loads(server.termination.read_text()) == {"reason": "LoadFailed", "message": "weights are missing"}


@pytest.mark.parametrize(("variable", "value"), [("MODELYARD_MAX_BATCH_ROWS", "0"), ("PORT", "http")])
def test_a_wrong_setting_exits_2_and_names_the_variable(variable: str, value: str) -> None:
    env = {**os.environ, variable: value}
    done = subprocess.run(
        [sys.executable, "-m", "modelyard_server"], env=env, capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, f"{variable}='{value}'" in done.stderr) == (2, True)
