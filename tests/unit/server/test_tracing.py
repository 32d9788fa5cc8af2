"""Spans as a collector gets them: a real exporter, a small collector of the test's own."""

import gc
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from modelyard_server.errors import StartupError
from modelyard_server.metrics import Metrics
from modelyard_server.pauses import GcPauses
from modelyard_server.rpc import inference_pb2 as pb
from modelyard_server.settings import Settings
from modelyard_server.tracing import Tracing
from unit.server import live, tiny_llm
from unit.server.live import LiveServer
from unit.server.rpc_client import SERVICE, RpcClient, infer_request

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ROWS = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ExportTraceServiceRequest]]:
    found: list[ExportTraceServiceRequest] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.append(ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    yield found
    server.shutdown()
    server.server_close()


def every(collected: list[ExportTraceServiceRequest]) -> list[Any]:
    resources = [resource for request in collected for resource in request.resource_spans]
    return [span for one in resources for scope in one.scope_spans for span in scope.spans]


def spans(collected: list[ExportTraceServiceRequest]) -> dict[str, Any]:
    """By name."""
    return {span.name: span for span in every(collected)}


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_a_request_and_its_way_through_the_queue_are_spans(
    start: Callable[..., LiveServer], collected: list[ExportTraceServiceRequest]
) -> None:
    server = start(tracing="otlp")
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    assert server.request("POST", "/v2/models/echo/infer", ROWS, headers).status == 200
    server.stop()
    found = spans(collected)
    request, batch = found["request"], found["batch"]
    assert {span.trace_id.hex() for span in found.values()} == {TRACE}
    assert request.parent_span_id.hex() == PARENT
    parents = {name: found[name].parent_span_id for name in ("queue", "batch", "forward")}
    assert parents == {"queue": request.span_id, "batch": request.span_id, "forward": batch.span_id}
    assert attributes(batch) == {"modelyard.batch.rows": 1, "modelyard.batch.requests": 1}
    assert attributes(request) == {"modelyard.model": "echo", "modelyard.protocol": "v2", "modelyard.status": 200}
    times = [request.start_time_unix_nano, batch.start_time_unix_nano, batch.end_time_unix_nano]
    assert times == sorted(times)
    service = {one.key: one.value.string_value for one in collected[0].resource_spans[0].resource.attributes}
    assert service["service.name"] == "modelyard-server"


def test_a_call_and_a_refused_call_are_spans(
    start: Callable[..., LiveServer], collected: list[ExportTraceServiceRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    server = start(tracing="otlp", grpc_port=live.free_port())
    with grpc.insecure_channel(f"127.0.0.1:{server.service.settings.grpc_port}") as channel:
        infer: Any = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError):
            infer(pb.ModelInferRequest(model_name="echo").SerializeToString(), timeout=10)
    server.stop()
    assert attributes(spans(collected)["request"]) == {
        "modelyard.model": "echo", "modelyard.protocol": "grpc", "modelyard.status": 400,
    }  # fmt: skip
    service = {one.key: one.value.string_value for one in collected[0].resource_spans[0].resource.attributes}
    assert service["service.name"] == "mine"


def test_every_request_of_a_stream_is_a_span_below_the_stream_s(
    start: Callable[..., LiveServer], collected: list[ExportTraceServiceRequest]
) -> None:
    server = start(tracing="otlp", grpc_port=live.free_port())
    good = infer_request(1, 2)
    bad = infer_request(1, 2)
    bad.inputs[0].name = "z"
    metadata = (("traceparent", f"00-{TRACE}-{PARENT}-01"),)
    with RpcClient(server.service.settings.grpc_port) as client:
        method = client.channel.stream_stream(
            SERVICE + "ModelStreamInfer", pb.ModelInferRequest.SerializeToString, pb.ModelStreamInferResponse.FromString
        )
        assert len(list(method(iter([good, bad]), timeout=20, metadata=metadata))) == 2
    server.stop()
    stream = spans(collected)["stream"]
    requests = [span for span in every(collected) if span.name == "request"]
    assert (stream.trace_id.hex(), stream.parent_span_id.hex()) == (TRACE, PARENT)
    assert {span.parent_span_id for span in requests} == {stream.span_id}
    assert sorted(attributes(span)["modelyard.status"] for span in requests) == [200, 400]
    assert attributes(stream) == {"modelyard.protocol": "grpc", "modelyard.status": 200}


def llm(root: Path) -> LiveServer:
    tiny_llm.write(root / "tiny")
    how: dict[str, Any] = {"precision": "float32", "threads": 1, "max_sequences": 4}
    return LiveServer(Settings(model=Path("/nowhere"), repository=root, tracing="otlp", **how))


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_a_wait_a_prompt_and_tokens(
    tmp_path: Path, collected: list[ExportTraceServiceRequest], stream: bool
) -> None:
    server = llm(tmp_path)
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    body = {"model": "tiny", "prompt": "hello", "max_tokens": 5, "ignore_eos": True, "stream": stream}
    assert server.request("POST", "/v1/completions", body, headers).status == 200
    server.stop()
    found = spans(collected)
    request = found["request"]
    assert request.parent_span_id.hex() == PARENT
    assert attributes(request) == {"modelyard.model": "tiny", "modelyard.protocol": "openai", "modelyard.status": 200}
    assert {found[name].parent_span_id for name in ("queue", "prefill", "decode")} == {request.span_id}
    assert attributes(found["prefill"]) == {"modelyard.tokens.prompt": 5, "modelyard.tokens.cached": 0}
    assert attributes(found["decode"]) == {"modelyard.tokens.generated": 5}
    times = [found["queue"].start_time_unix_nano, found["prefill"].start_time_unix_nano,
             found["decode"].start_time_unix_nano, found["decode"].end_time_unix_nano]  # fmt: skip
    assert times == sorted(times)


@pytest.mark.parametrize("path", ["/v2/models/tiny/generate", "/v2/models/tiny/infer"])
def test_texts_over_v2_have_the_same_spans(
    tmp_path: Path, collected: list[ExportTraceServiceRequest], path: str
) -> None:
    server = llm(tmp_path)
    tensor = {"name": "text_input", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]}
    body = {"text_input": "a"} if "generate" in path else {"inputs": [tensor]}
    assert server.request("POST", path, body).status == 200
    server.stop()
    answers = 1 if "generate" in path else 2
    assert sum(span.name == "decode" for span in every(collected)) == answers
    assert attributes(spans(collected)["request"])["modelyard.protocol"] == "v2"


def test_a_path_without_inference_is_no_span(
    start: Callable[..., LiveServer], collected: list[ExportTraceServiceRequest]
) -> None:
    server = start(tracing="otlp")
    server.request("GET", "/v2/models/echo")
    server.stop()
    assert spans(collected) == {}


def test_missing_libraries_stop_the_start_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(StartupError, match=r"install modelyard-server\[tracing\]"):
        Tracing()


def test_pauses_of_the_garbage_collection_are_measured() -> None:
    metrics = Metrics()
    pauses = GcPauses(metrics.gc_pause.observe)
    pauses.start()
    gc.collect()
    pauses.stop()
    pauses.stop()
    count = metrics.registry.get_sample_value("modelyard_server_gc_pause_seconds_count")
    assert count is not None
    assert count >= 1
    gc.collect()
    assert metrics.registry.get_sample_value("modelyard_server_gc_pause_seconds_count") == count
