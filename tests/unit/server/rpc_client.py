"""A plain gRPC client: each call by its name, with our messages."""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import Message

from modelyard_server.rpc import inference_pb2 as pb

SERVICE = "/inference.GRPCInferenceService/"


class RpcClient:
    """Speaks to a port of this machine."""

    def __init__(self, port: int) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_receive_message_length", -1)])

    def call(self, name: str, request: Message | None = None, timeout: float = 20) -> Any:
        """One call; raises grpc.RpcError."""
        return self.start(name, request, timeout).result()

    def start(self, name: str, request: Message | None = None, timeout: float = 20) -> Any:
        """One call, not waited for."""
        request = request if request is not None else getattr(pb, f"{name}Request")()
        response = getattr(pb, f"{name}Response")
        method = self.channel.unary_unary(SERVICE + name, type(request).SerializeToString, response.FromString)
        return method.future(request, timeout=timeout, wait_for_ready=True)

    def refused(self, name: str, request: Message | None = None, timeout: float = 20) -> tuple[str, str]:
        """Code and details of a call that fails."""
        call = self.start(name, request, timeout)
        assert call.exception() is not None, f"was answered: {call.result()}"
        return call.code().name, call.details() or ""

    def stream(self, requests: Iterable[pb.ModelInferRequest]) -> Iterator[pb.ModelStreamInferResponse]:
        """ModelStreamInfer."""
        method = self.channel.stream_stream(
            SERVICE + "ModelStreamInfer",
            pb.ModelInferRequest.SerializeToString,
            pb.ModelStreamInferResponse.FromString,
        )
        return iter(method(iter(requests), timeout=20))

    def __enter__(self) -> "RpcClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.channel.close()


def infer_request(*values: float, raw: bool = False, model: str = "echo", **fields: Any) -> pb.ModelInferRequest:
    """Rows of two FP32 values for the echo model."""
    request = pb.ModelInferRequest(model_name=model, **fields)
    tensor = request.inputs.add(name="x", datatype="FP32", shape=[len(values) // 2, 2])
    if raw:
        request.raw_input_contents.append(np.array(values, "<f4").tobytes())
    else:
        tensor.contents.fp32_contents.extend(values)
    return request
