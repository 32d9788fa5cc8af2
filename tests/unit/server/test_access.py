"""Who may ask, and the line that an answer leaves in the log."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from modelyard_server import keys
from modelyard_server.errors import StartupError
from modelyard_server.keys import Keys
from modelyard_server.rpc import inference_pb2 as pb
from modelyard_server.web.access import model_of
from unit.server import live
from unit.server.live import LiveServer

SECRET = "s3cret-key"
Start = Callable[..., LiveServer]
ROWS = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"{SECRET}\nolder-key\n")
    return path


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Fields of the access log."""
    return [vars(record) for record in caplog.records if record.name == "modelyard_server.access"]


@pytest.mark.parametrize("headers", [
    {"Authorization": f"Bearer {SECRET}"},
    {"Authorization": f"bearer {SECRET}"},
    {"Authorization": "Bearer older-key"},
    {"X-API-Key": SECRET},
])  # fmt: skip
def test_each_key_of_the_file_opens_the_server(start: Start, key_file: Path, headers: dict[str, str]) -> None:
    server = start(api_key_file=key_file)
    assert server.request("POST", "/v2/models/echo/infer", ROWS, headers).status == 200


@pytest.mark.parametrize("headers", [
    {}, {"Authorization": SECRET}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {SECRET}x"},
    {"Authorization": f"Basic {SECRET}"}, {"X-API-Key": ""}, {"X-API-Key": "\xff"},
])  # fmt: skip
def test_without_a_key_there_is_no_answer(start: Start, key_file: Path, headers: dict[str, str]) -> None:
    server = start(api_key_file=key_file)
    for method, path in (("POST", "/v2/models/echo/infer"), ("GET", "/v2/models/echo"), ("GET", "/docs")):
        reply = server.request(method, path, ROWS if method == "POST" else None, headers)
        assert reply.status == 401
        assert reply.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer KEY" in reply.json["error"]


def test_health_and_metrics_need_no_key(start: Start, key_file: Path) -> None:
    server = start(api_key_file=key_file)
    for path in ("/v2/health/live", "/v2/health/ready", "/metrics"):
        assert server.request("GET", path).status == 200


def test_a_new_key_in_the_file_holds_without_a_restart(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("modelyard_server.keys.time.monotonic", lambda: now[0])
    known = Keys(key_file)
    key_file.write_text("newer-key")
    assert not known.fit("", "newer-key")
    now[0] += keys.LOOK_AFTER
    assert known.fit("", "newer-key")
    assert not known.fit("", SECRET)
    key_file.unlink()
    now[0] += keys.LOOK_AFTER
    assert known.fit("", "newer-key"), "while the file is being replaced, what was in it holds"


@pytest.mark.parametrize("content", ["", " \n"])
def test_a_file_without_a_key_stops_the_start(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys").write_text(content)
    with pytest.raises(StartupError, match="holds no key"):
        Keys(tmp_path / "keys")


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="cannot be read"):
        Keys(tmp_path / "keys")


def test_grpc_asks_for_the_same_key(start: Start, key_file: Path) -> None:
    server = start(api_key_file=key_file, grpc_port=live.free_port())
    request = pb.ModelMetadataRequest(name="echo").SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{server.service.settings.grpc_port}") as channel:
        metadata: Any = channel.unary_unary("/inference.GRPCInferenceService/ModelMetadata")
        with pytest.raises(grpc.RpcError) as refused:
            metadata(request, timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert metadata(request, timeout=10, metadata=[("authorization", f"Bearer {SECRET}")])
        ready: Any = channel.unary_unary("/inference.GRPCInferenceService/ServerReady")
        assert ready(b"", timeout=10)
        stream: Any = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        with pytest.raises(grpc.RpcError) as refused:
            list(stream(iter([b""]), timeout=10))
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_an_answer_leaves_a_line_without_contents(
    start: Start, key_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = start(access_log="on", api_key_file=key_file)
    headers = {"Authorization": f"Bearer {SECRET}", "X-Request-Id": "r-1"}
    reply = server.request("POST", "/v2/models/echo/infer?a=b", ROWS, headers)
    server.stop()
    line = lines(caplog)[-1]
    expected = {"method": "POST", "path": "/v2/models/echo/infer", "status": 200, "bytes": len(reply.body)}
    assert expected | {"model": "echo", "request_id": "r-1", "protocol": "http"} == {
        key: line[key] for key in (*expected, "model", "request_id", "protocol")
    }
    assert line["duration_ms"] > 0
    assert SECRET not in caplog.text


def test_what_the_guard_refuses_is_in_the_log(start: Start, key_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = start(access_log="on", api_key_file=key_file)
    server.request("GET", "/v2")
    server.stop()
    assert lines(caplog)[-1]["status"] == 401


def test_a_call_leaves_a_line_too(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = start(access_log="on", grpc_port=live.free_port())
    with grpc.insecure_channel(f"127.0.0.1:{server.service.settings.grpc_port}") as channel:
        metadata: Any = channel.unary_unary("/inference.GRPCInferenceService/ModelMetadata")
        metadata(pb.ModelMetadataRequest(name="echo").SerializeToString(), metadata=[("x-request-id", "r-2")])
        with pytest.raises(grpc.RpcError):
            metadata(pb.ModelMetadataRequest(name="other").SerializeToString())
    server.stop()
    found = [line for line in lines(caplog) if line["protocol"] == "grpc"]
    assert [(line["model"], line["status"], line["request_id"]) for line in found] == [
        ("echo", "OK", "r-2"),
        ("other", "NOT_FOUND", ""),
    ]


def test_without_the_setting_there_is_no_line(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = start()
    server.request("GET", "/v2")
    server.stop()
    assert not lines(caplog)


@pytest.mark.parametrize(
    ("path", "model"),
    [("/v2/models/a/infer", "a"), ("/v1/models/b:predict", "b"), ("/v2", ""), ("/v2/models", ""),
     ("/v2/repository/models/c/load", "c")],
)  # fmt: skip
def test_the_model_of_a_path(path: str, model: str) -> None:
    assert model_of(path) == model
