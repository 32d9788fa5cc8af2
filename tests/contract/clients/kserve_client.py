"""KServe's own clients against a running server: `kserve_client.py HTTP_PORT GRPC_PORT MODEL FEATURES`.

It runs in an environment of its own (`make conformance`), since KServe brings most of a platform with it.
"""

import asyncio
import sys

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferOutput, InferRequest, RESTConfig

ROWS = 2


def request(model: str, features: int, *, binary: bool) -> InferRequest:
    """Two rows."""
    tensor = InferInput("x", [ROWS, features], "FP32")
    tensor.set_data_from_numpy(
        np.linspace(0, 1, ROWS * features, dtype=np.float32).reshape(ROWS, -1), binary_data=binary
    )
    return InferRequest(model, [tensor], request_id="k-1")


def first(outputs: list[InferOutput]) -> np.ndarray:
    """The only output."""
    assert [one.name for one in outputs] == ["y"]
    return np.asarray(outputs[0].as_numpy())


async def rest(url: str, model: str, features: int) -> np.ndarray:
    """V2 with JSON and with binary tensors, and V1."""
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, model)
    answers = [
        await client.infer(url, request(model, features, binary=binary), model_name=model) for binary in (False, True)
    ]
    assert [answer.id for answer in answers] == ["k-1", "k-1"]
    scores = [first(answer.outputs) for answer in answers]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)
    plain = InferenceRESTClient(RESTConfig(protocol="v1"))
    rows = np.linspace(0, 1, ROWS * features, dtype=np.float32).reshape(ROWS, -1).tolist()
    predicted = await plain.infer(url, {"instances": rows}, model_name=model)
    np.testing.assert_allclose(predicted["predictions"], scores[0], rtol=1e-4, atol=1e-5)
    return scores[0]


async def grpc(address: str, model: str, features: int) -> np.ndarray:
    """The same over gRPC."""
    client = InferenceGRPCClient(address)
    assert await client.is_server_live()
    assert await client.is_server_ready()
    assert await client.is_model_ready(model)
    answer = await client.infer(request(model, features, binary=True))
    assert answer.id == "k-1"
    scores = first(answer.outputs)
    await client.close()
    return scores


async def main(http_port: str, grpc_port: str, model: str, features: str) -> None:
    """Both clients must get the same scores."""
    over_rest = await rest(f"http://127.0.0.1:{http_port}", model, int(features))
    over_grpc = await grpc(f"127.0.0.1:{grpc_port}", model, int(features))
    np.testing.assert_allclose(over_rest, over_grpc, rtol=1e-4, atol=1e-5)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
