"""The protocol over gRPC, call by call, on a real port."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2

from modelyard_server.rpc import inference_pb2 as pb
from unit.server import echo_engine, live
from unit.server.live import LiveServer, echo_card
from unit.server.rpc_client import RpcClient, infer_request
from unit.server.test_overload import metric, wait_until

Start = Callable[..., LiveServer]
LOAD = pb.RepositoryModelLoadRequest(model_name="a")


@pytest.fixture(scope="module")
def rpc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RpcClient]:
    """A client of a server with the echo model."""
    server = live.start(tmp_path_factory.mktemp("rpc"), grpc_port=live.free_port(), max_body_bytes=1 << 20)
    with RpcClient(server.service.settings.grpc_port) as client:
        yield client
    server.stop()


@pytest.fixture
def dial() -> Iterator[Callable[[LiveServer], RpcClient]]:
    """Clients for servers of the test's own."""
    clients: list[RpcClient] = []

    def make(server: LiveServer) -> RpcClient:
        clients.append(RpcClient(server.service.settings.grpc_port))
        return clients[-1]

    yield make
    for client in clients:
        client.channel.close()


Dial = Callable[[LiveServer], RpcClient]


def test_the_server_is_live_and_ready_and_tells_its_extensions(rpc: RpcClient) -> None:
    assert (rpc.call("ServerLive").live, rpc.call("ServerReady").ready) == (True, True)
    metadata = rpc.call("ServerMetadata")
    assert (metadata.name, list(metadata.extensions)) == (
        "modelyard-server",
        ["binary_tensor_data", "model_repository"],
    )


@pytest.mark.parametrize("version", ["", "3"])
def test_a_model_is_ready_and_tells_its_tensors(rpc: RpcClient, version: str) -> None:
    assert rpc.call("ModelReady", pb.ModelReadyRequest(name="echo", version=version)).ready
    metadata = rpc.call("ModelMetadata", pb.ModelMetadataRequest(name="echo", version=version))
    assert (metadata.name, list(metadata.versions), metadata.platform) == ("echo", ["3"], "modelyard_echo")
    tensors = [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in (*metadata.inputs, *metadata.outputs)]
    assert tensors == [("x", "FP32", [-1, 2]), ("y", "FP32", [-1, 2])]


def test_typed_contents_are_answered_with_typed_contents(rpc: RpcClient) -> None:
    answer = rpc.call("ModelInfer", infer_request(1, 2, 3, 4, id="7", model_version="3"))
    assert (answer.model_name, answer.model_version, answer.id) == ("echo", "3", "7")
    (output,) = answer.outputs
    assert (output.name, output.datatype, list(output.shape)) == ("y", "FP32", [2, 2])
    assert (list(output.contents.fp32_contents), list(answer.raw_output_contents)) == ([1, 2, 3, 4], [])


def test_raw_contents_are_answered_raw(rpc: RpcClient) -> None:
    answer = rpc.call("ModelInfer", infer_request(1.5, -2, raw=True))
    assert not answer.outputs[0].HasField("contents")
    assert np.frombuffer(answer.raw_output_contents[0], "<f4").tolist() == [1.5, -2]


@pytest.mark.parametrize(
    ("name", "request_", "code", "details"),
    [
        ("ModelInfer", infer_request(1, 2, model="other"), "NOT_FOUND", "'other' is not served here"),
        ("ModelInfer", infer_request(1, 2, model_version="9"), "NOT_FOUND", "no version '9'"),
        ("ModelReady", pb.ModelReadyRequest(name="other"), "NOT_FOUND", "'other' is not served here"),
        ("ModelMetadata", pb.ModelMetadataRequest(name="other"), "NOT_FOUND", "'other' is not served here"),
        ("ModelInfer", pb.ModelInferRequest(model_name="echo"), "INVALID_ARGUMENT", "input 'x': is missing"),
        ("ModelInfer", infer_request(*[0.0] * (1 << 19)), "RESOURCE_EXHAUSTED", "larger than max"),
        ("ModelInfer", infer_request(echo_engine.POISON, 0), "INTERNAL", "poisoned row"),
        ("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="echo"), "UNIMPLEMENTED", "model-control"),
        ("RepositoryModelUnload", pb.RepositoryModelUnloadRequest(model_name="echo"), "UNIMPLEMENTED", "model-control"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_has_its_code_and_says_why(rpc: RpcClient, name: str, request_: Any, code: str, details: str) -> None:
    answer = rpc.refused(name, request_)
    assert (answer[0], details in answer[1]) == (code, True), answer


def test_a_stream_is_answered_in_order_and_survives_an_error(rpc: RpcClient) -> None:
    requests = [infer_request(number % 50, 0, id=str(number)) for number in range(200)]
    requests[100] = infer_request(1, 2, model="other", id="100")
    requests[7].parameters["triton_enable_empty_final_response"].bool_param = True
    answers = list(rpc.stream(requests))
    assert [answer.infer_response.id for answer in answers] == [str(number) for number in range(200)]
    assert "'other' is not served here" in answers[100].error_message
    assert all(not answer.error_message for answer in answers[101:])
    assert answers[7].infer_response.parameters["triton_final_response"].bool_param
    assert "triton_final_response" not in answers[8].infer_response.parameters


def health(client: RpcClient, service: str = "") -> Any:
    call = client.channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        health_pb2.HealthCheckRequest.SerializeToString,
        health_pb2.HealthCheckResponse.FromString,
    )
    return call(health_pb2.HealthCheckRequest(service=service), timeout=10).status


@pytest.mark.parametrize("service", ["", "inference.GRPCInferenceService", "echo"])
def test_health_knows_the_server_its_service_and_its_models(rpc: RpcClient, service: str) -> None:
    assert health(rpc, service) == health_pb2.HealthCheckResponse.SERVING


def test_health_of_an_unknown_name_is_not_found(rpc: RpcClient) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        health(rpc, "other")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_health_may_be_watched(start: Start, dial: Dial) -> None:
    server = start(grpc_port=live.free_port())
    call = dial(server).channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        health_pb2.HealthCheckRequest.SerializeToString,
        health_pb2.HealthCheckResponse.FromString,
    )
    unknown = call(health_pb2.HealthCheckRequest(service="other"), timeout=10)
    assert next(iter(unknown)).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    states = iter(call(health_pb2.HealthCheckRequest(), timeout=10))
    assert next(states).status == health_pb2.HealthCheckResponse.SERVING
    server.on_loop(server.service.lifecycle.drain)
    assert next(states).status == health_pb2.HealthCheckResponse.NOT_SERVING


def test_while_loading_calls_are_unavailable(start: Start, dial: Dial) -> None:
    server = start(card=echo_card(description="blocks while it loads"), wait_loaded=False, grpc_port=live.free_port())
    client = dial(server)
    wait_until(lambda: "still loading" in client.refused("ModelInfer", infer_request(1, 2))[1])
    assert client.refused("ModelInfer", infer_request(1, 2))[0] == "UNAVAILABLE"
    assert (client.call("ServerLive").live, client.call("ServerReady").ready) == (True, False)
    assert health(client) == health_pb2.HealthCheckResponse.NOT_SERVING
    echo_engine.gate.set()
    server.wait_loaded()
    assert client.call("ServerReady").ready


def blocked(server: LiveServer, client: RpcClient, queued: int) -> list[Any]:
    """Occupy the model with one call and queue more behind it."""
    running = [client.start("ModelInfer", infer_request(echo_engine.BLOCK, 0))]
    assert echo_engine.blocked.wait(10)
    running += [client.start("ModelInfer", infer_request(0, 0)) for _ in range(queued)]
    wait_until(lambda: metric(server, "modelyard_server_queue_rows") == queued)
    return running


def test_a_full_queue_is_resource_exhausted_and_says_when_to_try_again(start: Start, dial: Dial) -> None:
    server = start(max_queue_rows=1, grpc_port=live.free_port())
    client = dial(server)
    running = blocked(server, client, queued=1)
    refused = client.start("ModelInfer", infer_request(0, 0))
    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dict(refused.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
    echo_engine.gate.set()
    assert all(call.result().outputs for call in running)
    assert metric(server, 'modelyard_server_requests_total{code="429",model="echo",protocol="grpc"') == 1


def test_the_clients_deadline_bounds_the_time_in_the_queue(start: Start, dial: Dial) -> None:
    server = start(grpc_port=live.free_port())
    client = dial(server)
    running = blocked(server, client, queued=0)
    assert client.refused("ModelInfer", infer_request(0, 0), timeout=0.2)[0] == "DEADLINE_EXCEEDED"
    parameter = infer_request(0, 0)
    parameter.parameters["timeout"].int64_param = 50_000
    code, details = client.refused("ModelInfer", parameter)
    assert (code, "0.05 s in the queue" in details) == ("DEADLINE_EXCEEDED", True)
    wait_until(lambda: metric(server, "modelyard_server_queue_rows") == 0)
    echo_engine.gate.set()
    assert running[0].result().outputs
    assert echo_engine.batches[-1] == 1


def test_a_cancelled_call_leaves_the_queue(start: Start, dial: Dial) -> None:
    server = start(grpc_port=live.free_port())
    client = dial(server)
    running, waiting = blocked(server, client, queued=1)
    waiting.cancel()
    wait_until(lambda: metric(server, "modelyard_server_queue_rows") == 0)
    echo_engine.gate.set()
    assert running.result().outputs
    wait_until(lambda: metric(server, 'modelyard_server_requests_total{code="499",model="echo",protocol="grpc"') == 1)


def test_models_are_listed_loaded_and_unloaded(serve: Start, dial: Dial, tmp_path: Path) -> None:
    client = dial(serve({"a/1": echo_card()}, model_control="explicit", grpc_port=live.free_port()))
    live.write_package(tmp_path / "a" / "2", echo_card())
    index = client.call("RepositoryIndex").models
    assert [(row.name, row.version, row.state) for row in index] == [("a", "1", "READY"), ("a", "2", "UNAVAILABLE")]
    client.call("RepositoryModelLoad", LOAD)
    ready = client.call("RepositoryIndex", pb.RepositoryIndexRequest(ready=True)).models
    assert [(row.name, row.version) for row in ready] == [("a", "2")]
    assert client.call("ModelInfer", infer_request(1, 2, model="a")).model_version == "2"
    client.call("RepositoryModelUnload", pb.RepositoryModelUnloadRequest(model_name="a"))
    assert client.refused("ModelInfer", infer_request(1, 2, model="a")) == (
        "UNAVAILABLE", "model 'a' is UNAVAILABLE: unloaded",
    )  # fmt: skip
    with_parameter = pb.RepositoryModelLoadRequest(model_name="a")
    with_parameter.parameters["config"].string_param = "{}"
    assert client.refused("RepositoryModelLoad", with_parameter)[0] == "INVALID_ARGUMENT"
    live.write_package(tmp_path / "a" / "3", echo_card(description="does not load"))
    code, details = client.refused("RepositoryModelLoad", LOAD)
    assert (code, "weights are missing" in details) == ("INVALID_ARGUMENT", True)


def test_a_client_that_leaves_does_not_stop_a_load(serve: Start, dial: Dial, tmp_path: Path) -> None:
    client = dial(serve({}, model_control="explicit", grpc_port=live.free_port()))
    live.write_package(tmp_path / "a" / "1", echo_card(description="blocks while it loads"))
    assert client.refused("RepositoryModelLoad", LOAD, timeout=0.3)[0] == "DEADLINE_EXCEEDED"
    echo_engine.gate.set()
    wait_until(lambda: client.call("ModelReady", pb.ModelReadyRequest(name="a")).ready)


def test_rest_and_grpc_share_a_batch(start: Start, dial: Dial) -> None:
    server = start(grpc_port=live.free_port())
    client = dial(server)
    running = blocked(server, client, queued=1)
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(server.infer, [1, 2], [1, 2])
        wait_until(lambda: metric(server, "modelyard_server_queue_rows") == 2)
        echo_engine.gate.set()
        assert rest.result().status == 200
    assert all(call.result().outputs for call in running)
    assert echo_engine.batches[-1] == 2
    assert time.monotonic() - server.service.last_request < 60
