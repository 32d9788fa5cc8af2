"""The V2 protocol over real HTTP, clause by clause."""

import json
import struct

import pytest

from unit.server.live import LiveServer

INFER = "/v2/models/echo/infer"
TENSOR = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}


def test_live_and_ready_answer_true_once_the_model_is_loaded(echo: LiveServer) -> None:
    assert echo.request("GET", "/v2/health/live").json == {"live": True}
    assert echo.request("GET", "/v2/health/ready").json == {"ready": True}


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_server_metadata_names_the_extensions(echo: LiveServer, path: str) -> None:
    assert echo.request("GET", path).json == {
        "name": "modelyard-server",
        "version": "0.1.0",
        "extensions": ["binary_tensor_data", "model_repository"],
    }


@pytest.mark.parametrize("path", ["/v2/models/echo", "/v2/models/echo/versions/3"])
def test_model_metadata_lists_tensors(echo: LiveServer, path: str) -> None:
    assert echo.request("GET", path).json == {
        "name": "echo",
        "versions": ["3"],
        "platform": "modelyard_echo",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    }


@pytest.mark.parametrize("path", ["/v2/models/echo/ready", "/v2/models/echo/versions/3/ready", "/v1/models/echo"])
def test_model_readiness(echo: LiveServer, path: str) -> None:
    found = echo.request("GET", path).json
    assert (found["name"], found["ready"]) == ("echo", True)


@pytest.mark.parametrize("path", [INFER, "/v2/models/echo/versions/3/infer"])
def test_inference_answers_with_name_version_and_outputs(echo: LiveServer, path: str) -> None:
    reply = echo.request("POST", path, {"inputs": [TENSOR]})
    assert reply.headers["content-type"] == "application/json"
    assert reply.json == {
        "model_name": "echo",
        "model_version": "3",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 2.0]}],
    }


def test_id_is_echoed(echo: LiveServer) -> None:
    assert echo.infer([1, 2], [1, 2], id="abc").json["id"] == "abc"


def test_nested_data_is_the_same_as_flat_data(echo: LiveServer) -> None:
    flat, nested = echo.infer([1, 2, 3, 4], [2, 2]), echo.infer([[1, 2], [3, 4]], [2, 2])
    assert flat.json == nested.json


def test_outputs_filters_outputs(echo: LiveServer) -> None:
    assert [o["name"] for o in echo.infer([1, 2], [1, 2], outputs=[{"name": "y"}]).json["outputs"]] == ["y"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"{", "body: not valid JSON", id="broken JSON"),
        pytest.param(b"[]", "body: must be a JSON object", id="not an object"),
        pytest.param(b'{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [NaN, 1]}]}', "JSON",
                     id="NaN is not JSON"),
        pytest.param({}, "inputs: must be a list", id="no inputs"),
        pytest.param({"inputs": []}, "inputs: must be a list", id="empty inputs"),
        pytest.param({"inputs": [1]}, "each tensor must be an object", id="input is a number"),
        pytest.param({"inputs": [TENSOR], "id": 5}, "id: must be a string", id="numeric id"),
        pytest.param({"inputs": [{**TENSOR, "name": "X"}]}, "inputs are x", id="names are case-sensitive"),
        pytest.param({"inputs": [TENSOR, TENSOR]}, "given twice", id="input given twice"),
        pytest.param({"inputs": [{**TENSOR, "datatype": "FP64"}]}, "the model takes FP32", id="wrong datatype"),
        pytest.param({"inputs": [{**TENSOR, "shape": [2]}]}, "the model takes [-1, 2]", id="wrong rank"),
        pytest.param({"inputs": [{**TENSOR, "shape": [1, 3]}]}, "the model takes [-1, 2]", id="wrong row"),
        pytest.param({"inputs": [{**TENSOR, "shape": "12"}]}, "shape must be a list of sizes", id="shape is text"),
        pytest.param({"inputs": [{**TENSOR, "shape": [1, -2]}]}, "shape must be", id="negative shape"),
        pytest.param({"inputs": [{**TENSOR, "shape": [True, 2]}]}, "shape must be", id="boolean in shape"),
        pytest.param({"inputs": [{**TENSOR, "shape": [2, 2]}]}, "data has 2 values", id="too few values"),
        pytest.param({"inputs": [{**TENSOR, "shape": [0, 2], "data": []}]}, "no rows", id="no rows"),
        pytest.param({"inputs": [{**TENSOR, "data": 5}]}, "data must be a list", id="data is a number"),
        pytest.param({"inputs": [{**TENSOR, "data": ["1", "2"]}]}, "not FP32", id="strings for numbers"),
        pytest.param({"inputs": [{**TENSOR, "data": [None, 1]}]}, "not FP32", id="null for a number"),
        pytest.param({"inputs": [{**TENSOR, "data": [[1], [2, 3]]}]}, "nested unevenly", id="ragged data"),
        pytest.param({"inputs": [{**TENSOR, "data": [[1], [2]]}]}, "nested as [2, 1]", id="nested unlike the shape"),
        pytest.param({"inputs": [{**TENSOR, "data": [1e300, 1]}]}, "out of range for FP32", id="overflow"),
        pytest.param({"inputs": [TENSOR], "outputs": [{"name": "z"}]}, "outputs are y", id="unknown output"),
        pytest.param({"inputs": [TENSOR], "outputs": "y"}, "outputs: must be", id="outputs is text"),
        pytest.param({"inputs": [{**TENSOR, "parameters": 3}]}, "parameters must be an object", id="parameters"),
        pytest.param({"inputs": [{**TENSOR, "shape": [1 << 40, 2]}]}, "more than", id="absurd size"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_400_and_says_why(echo: LiveServer, body: object, message: str) -> None:
    reply = echo.request("POST", INFER, body)
    assert reply.status == 400
    assert list(reply.json) == ["error"]
    assert message in reply.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("GET", "/v2/models/other", 404),
        ("GET", "/v2/models/echo/versions/9", 404),
        ("GET", "/v2/models/echo/versions/9/ready", 404),
        ("POST", "/v2/models/other/infer", 404),
        ("POST", "/v2/models/echo/versions/9/infer", 404),
        ("POST", "/v1/models/other:predict", 404),
        ("GET", INFER, 405),
        ("POST", "/v2", 405),
        ("GET", "/v1/models/echo:predict", 405),
        ("DELETE", "/v2/models/echo", 405),
    ],
)
def test_unknown_paths_and_methods_have_the_protocols_error_body(
    echo: LiveServer, method: str, path: str, status: int
) -> None:
    reply = echo.request(method, path, {} if method == "POST" else None)
    assert (reply.status, list(reply.json)) == (status, ["error"])
    assert ("allow" in reply.headers) == (status == 405)


def binary(echo: LiveServer, head: object, tail: bytes, path: str = INFER) -> tuple[dict[str, str], bytes, int]:
    content = json.dumps(head).encode()
    headers = {"Inference-Header-Content-Length": str(len(content)), "Content-Type": "application/octet-stream"}
    reply = echo.request("POST", path, content + tail, headers)
    return reply.headers, reply.body, reply.status


def test_binary_tensors_in_and_out(echo: LiveServer) -> None:
    raw = struct.pack("<2f", 1.5, -2.0)
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    head = {"inputs": [tensor], "outputs": [{"name": "y", "parameters": {"binary_data": True}}]}
    headers, body, status = binary(echo, head, raw)
    size = int(headers["inference-header-content-length"])
    assert (status, headers["content-type"], body[size:]) == (200, "application/octet-stream", raw)
    assert json.loads(body[:size])["outputs"][0]["parameters"] == {"binary_data_size": 8}


def test_an_output_may_opt_out_of_a_binary_answer(echo: LiveServer) -> None:
    head = {
        "inputs": [TENSOR],
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "y", "parameters": {"binary_data": False}}],
    }
    assert echo.request("POST", INFER, head).json["outputs"][0]["data"] == [1.0, 2.0]


def test_header_length_zero_means_one_raw_tensor(echo: LiveServer) -> None:
    raw = struct.pack("<4f", 1, 2, 3, 4)
    reply = echo.request("POST", INFER, raw, {"Inference-Header-Content-Length": "0"})
    size = int(reply.headers["inference-header-content-length"])
    assert json.loads(reply.body[:size])["outputs"][0]["shape"] == [2, 2]
    assert reply.body[size:] == raw


@pytest.mark.parametrize(
    ("tensor", "tail", "message"),
    [
        ({"parameters": {"binary_data_size": 8}}, b"1234", "more than the 4 bytes left"),
        ({"parameters": {"binary_data_size": 4}}, b"1234", "4 bytes of data"),
        ({"parameters": {"binary_data_size": 8}}, b"123456789", "1 bytes follow"),
        ({"parameters": {"binary_data_size": -1}}, b"", "must be a number of bytes"),
        ({"parameters": {"binary_data_size": 8}, "data": [1, 2]}, b"12345678", "not both"),
    ],
)
def test_binary_sizes_are_checked(echo: LiveServer, tensor: dict[str, object], tail: bytes, message: str) -> None:
    head = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", **tensor}]}
    _, body, status = binary(echo, head, tail)
    assert status == 400
    assert message in json.loads(body)["error"]


@pytest.mark.parametrize("value", ["-1", "abc", "99999"])
def test_a_wrong_header_length_is_refused(echo: LiveServer, value: str) -> None:
    reply = echo.request("POST", INFER, {"inputs": [TENSOR]}, {"Inference-Header-Content-Length": value})
    assert reply.status == 400
    assert "Inference-Header-Content-Length" in reply.json["error"]


def test_compressed_bodies_are_refused_in_words(echo: LiveServer) -> None:
    reply = echo.request("POST", INFER, b"\x1f\x8b", {"Content-Encoding": "gzip"})
    assert (reply.status, "gzip" in reply.json["error"]) == (400, True)


def test_openapi_names_every_protocol_path(echo: LiveServer) -> None:
    document = echo.request("GET", "/openapi.json").json
    assert {INFER.replace("echo", "{model}"), "/v2/health/ready", "/v1/models/{model}:predict"} <= set(
        document["paths"]
    )
    assert "InferRequest" in document["components"]["schemas"]
    assert echo.request("GET", "/docs").status == 200


def test_v1_predicts_rows(echo: LiveServer) -> None:
    reply = echo.request("POST", "/v1/models/echo:predict", {"instances": [[1, 2], [3, 4]]})
    assert reply.json == {"predictions": [[1.0, 2.0], [3.0, 4.0]]}
    assert echo.request("GET", "/v1/models").json["models"] == ["echo"]


@pytest.mark.parametrize("body", [b"{", {}, {"instances": []}, {"instances": [[1, 2], [3]]}, {"instances": [{"z": 1}]}])
def test_v1_refuses_what_is_not_instances(echo: LiveServer, body: object) -> None:
    reply = echo.request("POST", "/v1/models/echo:predict", body)
    assert (reply.status, list(reply.json)) == (400, ["error"])
