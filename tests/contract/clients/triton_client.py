"""Triton's own clients against a running server: `triton_client.py HTTP_PORT GRPC_PORT`; ends with 0 when all is right.

A process of its own, since its protocol module and ours describe one package.
"""

import sys
from typing import Any

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException

ROWS = np.array([[1.5, -2.0], [3.0, 4.0]], np.float32)


def common(client: Any, module: Any) -> None:
    """What both clients can do."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("a")
    assert client.is_model_ready("a", "2")
    tensor = module.InferInput("x", [2, 2], "FP32")
    tensor.set_data_from_numpy(ROWS)
    for version in ("", "2"):
        result = client.infer("a", [tensor], model_version=version, request_id="7", timeout=5_000_000)
        np.testing.assert_array_equal(result.as_numpy("y"), ROWS)
    wanted = module.InferRequestedOutput("y")
    np.testing.assert_array_equal(client.infer("a", [tensor], outputs=[wanted]).as_numpy("y"), ROWS)
    for model, version in (("other", ""), ("a", "9")):
        try:
            client.infer(model, [tensor], model_version=version)
        except InferenceServerException as error:
            assert model in str(error) or version in str(error)  # noqa: PT017 (no pytest here)
        else:
            raise AssertionError("an unknown model was answered")
    client.unload_model("b")
    assert not client.is_model_ready("b")
    client.load_model("b")
    assert client.is_model_ready("b")


def rest(port: int) -> None:
    """REST with binary and with JSON tensors."""
    client = over_http.InferenceServerClient(f"127.0.0.1:{port}")
    common(client, over_http)
    assert client.get_server_metadata()["name"] == "modelyard-server"
    assert client.get_model_metadata("a")["versions"] == ["2"]
    assert {row["name"]: row["state"] for row in client.get_model_repository_index()}["b"] == "READY"
    tensor = over_http.InferInput("x", [2, 2], "FP32")
    tensor.set_data_from_numpy(ROWS, binary_data=False)
    output = over_http.InferRequestedOutput("y", binary_data=False)
    np.testing.assert_array_equal(client.infer("a", [tensor], outputs=[output]).as_numpy("y"), ROWS)
    client.close()


def grpc(port: int) -> None:
    """gRPC, and its stream."""
    client = over_grpc.InferenceServerClient(f"127.0.0.1:{port}")
    common(client, over_grpc)
    assert client.get_server_metadata().name == "modelyard-server"
    assert list(client.get_model_metadata("a").versions) == ["2"]
    assert {row.name: row.state for row in client.get_model_repository_index().models}["b"] == "READY"
    tensor = over_grpc.InferInput("x", [2, 2], "FP32")
    tensor.set_data_from_numpy(ROWS)
    answers: list[tuple[Any, Any]] = []
    client.start_stream(lambda result, error: answers.append((result, error)))
    for number in range(20):
        client.async_stream_infer("a" if number != 10 else "other", [tensor], request_id=str(number))
    client.stop_stream()
    assert len(answers) == 20
    assert [bool(error) for _, error in answers] == [number == 10 for number in range(20)]
    np.testing.assert_array_equal(answers[-1][0].as_numpy("y"), ROWS)
    client.close()


if __name__ == "__main__":
    rest(int(sys.argv[1]))
    grpc(int(sys.argv[2]))
