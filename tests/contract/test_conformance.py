"""Our server keeps every clause of the protocols, whatever its model takes; and every clause can be broken."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest

from modelyard_conformance import __main__ as suite
from modelyard_conformance import clauses, inference_pb2, report
from modelyard_conformance.clauses import Result, Verdict
from modelyard_conformance.target import Target, find
from modelyard_conformance.wire import Wire
from modelyard_server.package.card import ModelCard, TensorSpec
from unit.server import live

SUITE = Path(__file__).parents[1] / "conformance" / "src"
# One of each kind; the others differ in size only, which test_tensors has. FP16 has no JSON form to compare with.
DATATYPES = ("BOOL", "UINT64", "INT8", "FP32")
TENSOR = {"name": "x", "datatype": "FP32", "shape": [-1, 2]}
METADATA = {"name": "m", "versions": ["1"], "platform": "any", "inputs": [TENSOR], "outputs": [TENSOR]}


def card(datatype: str) -> ModelCard:
    """Two inputs and two outputs: one of the datatype, one of strings."""
    pair: list[dict[str, Any]] = [{"datatype": datatype, "shape": (-1, 2)}, {"datatype": "BYTES", "shape": (-1,)}]
    inputs, outputs = (
        tuple(msgspec.convert({"name": name, **spec}, TensorSpec) for name, spec in zip(names, pair, strict=True))
        for names in (("a", "b"), ("y", "z"))
    )
    return ModelCard(name="m", version="1", format="echo", inputs=inputs, outputs=outputs)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.LiveServer]:
    """A model of two versions for each datatype."""
    models = {f"{kind.lower()}/{version}": card(kind) for kind in DATATYPES for version in ("1", "2")}
    settings: dict[str, Any] = {"model_control": "explicit", "version_policy": "all", "grpc_port": live.free_port()}
    running = live.start_repository(tmp_path_factory.mktemp("conformance"), models, **settings)
    yield running
    running.stop()


def judged(server: live.LiveServer, model: str) -> dict[str, Result]:
    target = find(Wire(f"http://127.0.0.1:{server.port}"), model, f"127.0.0.1:{server.service.settings.grpc_port}")
    return {one.id: one for one in clauses.judge(clauses.ALL, target)}


@pytest.mark.parametrize("datatype", DATATYPES)
def test_our_server_keeps_every_clause(server: live.LiveServer, datatype: str) -> None:
    results = judged(server, datatype.lower())
    broken = {key: one.seen for key, one in results.items() if one.verdict is Verdict.FAIL}
    assert not broken
    # The echo model of these tests cannot be explained.
    assert {key for key, one in results.items() if one.verdict is not Verdict.PASS} == {"v1.explain"}


def test_the_command_judges_a_server_from_outside(server: live.LiveServer, tmp_path: Path) -> None:
    verdicts = tmp_path / "verdicts.json"
    command = [sys.executable, "-m", "modelyard_conformance", f"http://127.0.0.1:{server.port}", "--model", "fp32"]
    done = subprocess.run(
        [*command, "--part", "rest", "--part", "v1", "--json", str(verdicts)],
        env={**os.environ, "PYTHONPATH": str(SUITE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(verdicts.read_text())["results"]
    assert {one["id"].partition(".")[0] for one in found} == {"rest", "v1"}
    assert done.stdout.splitlines()[-1] == report.summary(Result(o["id"], "", Verdict(o["verdict"])) for o in found)


def test_a_server_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert suite.main([f"http://127.0.0.1:{live.free_port()}"]) == 2
    assert "no server answers" in capsys.readouterr().err


class _Server(http.server.ThreadingHTTPServer):
    asked = 0


@pytest.fixture
def answering() -> Iterator[Callable[[int, Any], str]]:
    """Servers that tell true metadata at first and then give one answer to everything."""
    running: list[http.server.ThreadingHTTPServer] = []

    def make(status: int, document: Any) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            server: _Server

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                true = self.server.asked < 2
                self.server.asked += 1
                content = json.dumps({**METADATA, "extensions": []} if true else document).encode()
                self.send_response(200 if true else status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = answer  # noqa: N815 (the names of http.server)

            def log_message(self, *_arguments: Any) -> None: ...

        server = _Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield make
    for one in running:
        one.shutdown()
        one.server_close()


def test_every_clause_over_rest_can_be_broken(answering: Callable[[int, Any], str]) -> None:
    chosen = [one for one in clauses.ALL if one.part != "grpc"]
    wrong = [(200, [{"name": 1, "state": "LOADING", "error": 3}]), (400, {"error": "no"}), (500, "no"), (200, {})]
    failed: set[str] = set()
    for status, document in wrong:
        target = find(Wire(answering(status, document)), "m", "")
        failed |= {one.id for one in clauses.judge(chosen, target) if one.verdict is Verdict.FAIL}
    # Nothing of this model can break them: it has one input and one output, and its metadata are true.
    apart = {"rest.model.tensors", "rest.infer.order", "binary.input.mixed", "binary.output.order"}
    assert {one.id for one in chosen} - failed == apart


def test_every_clause_over_grpc_can_be_broken() -> None:
    failed: set[str] = set()
    for code in (grpc.StatusCode.OK, grpc.StatusCode.INTERNAL):
        with _grpc_server(code) as port:
            target = Target(Wire("http://127.0.0.1:1"), "m", METADATA, frozenset(), f"127.0.0.1:{port}")
            chosen = [one for one in clauses.ALL if one.part == "grpc"]
            failed |= {one.id for one in clauses.judge(chosen, target) if one.verdict is Verdict.FAIL}
    assert {one.id for one in clauses.ALL if one.part == "grpc"} == failed


class _grpc_server:  # noqa: N801 (used as a function)
    """Answers every call with an empty message that says yes, or with one code."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code
        self._server = grpc.server(futures.ThreadPoolExecutor(2))

    def __enter__(self) -> int:
        self._server.add_generic_rpc_handlers((_Everything(self._code),))
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return port

    def __exit__(self, *_error: object) -> None:
        self._server.stop(None).wait()


class _Everything(grpc.GenericRpcHandler):
    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    def service(self, call: grpc.HandlerCallDetails) -> Any:
        yes = call.method.endswith("ModelReady")

        def answer(_request: bytes, context: grpc.ServicerContext) -> bytes:
            if self._code is not grpc.StatusCode.OK:
                context.abort(self._code, "no")
            return inference_pb2.ModelReadyResponse(ready=True).SerializeToString() if yes else b""

        return grpc.unary_unary_rpc_method_handler(answer)
