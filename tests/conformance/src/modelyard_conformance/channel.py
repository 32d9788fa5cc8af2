"""One gRPC call, and messages from tensors and back. Imports grpc only when it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelyard_conformance.clauses import FailedError, UnsupportedError, expect
from modelyard_conformance.target import Target
from modelyard_conformance.tensors import Tensor, pack, unpack

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from modelyard_conformance import inference_pb2 as pb

TIMEOUT = 30.0
FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents", "INT64": "int64_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
"""Where the elements of a datatype travel; FP16 travels raw only."""


@dataclass(frozen=True)
class CallFailedError(Exception):
    """A status other than OK."""

    code: str
    details: str

    def __str__(self) -> str:
        return f"{self.code} {self.details[:120]}"


def messages() -> Any:
    """The protocol's messages. Raises UnsupportedError without the libraries."""
    try:
        from modelyard_conformance import inference_pb2  # noqa: PLC0415 (REST needs no protobuf)
    except ImportError as error:
        raise UnsupportedError(f"grpcio and protobuf are not installed: {error}") from error
    return inference_pb2


def call(target: Target, name: str, request: Message) -> Any:
    """One call of the service. Raises CallFailedError for a status, UnsupportedError for a missing address or call."""
    if not target.grpc:
        raise UnsupportedError("no gRPC address was given")
    pb = messages()
    import grpc  # noqa: PLC0415

    answer = getattr(pb, type(request).__name__.removesuffix("Request") + "Response")
    with grpc.insecure_channel(target.grpc) as channel:
        method: Any = channel.unary_unary(
            f"/inference.GRPCInferenceService/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        try:
            return method(request, timeout=TIMEOUT)
        except grpc.RpcError as error:
            raise CallFailedError(error.code().name, error.details() or "") from error


def refused(target: Target, name: str, request: Message) -> None:
    """A call must end with a code that tells the client what is wrong: neither OK nor a missing call."""
    try:
        answer = call(target, name, request)
    except CallFailedError as error:
        if error.code == "UNIMPLEMENTED":
            raise UnsupportedError(str(error)) from error
        expect(error.code != "UNAVAILABLE", f"the server cannot be reached: {error}")
        return
    raise FailedError(f"it was not refused: {str(answer)[:120]!r}")


def typed(target: Target, tensors: list[Tensor], **fields: Any) -> pb.ModelInferRequest:
    """A request with typed contents."""
    request = _request(target, tensors, **fields)
    for entry, tensor in zip(request.inputs, tensors, strict=True):
        if tensor.datatype == "FP16":
            raise UnsupportedError("FP16 has no typed contents")
        values = [one.encode() if isinstance(one, str) else one for one in tensor.values]
        getattr(entry.contents, FIELDS[tensor.datatype]).extend(values)
    return request


def raw(target: Target, tensors: list[Tensor], **fields: Any) -> pb.ModelInferRequest:
    """A request with raw contents."""
    request = _request(target, tensors, **fields)
    request.raw_input_contents.extend(pack(one) for one in tensors)
    return request


def _request(target: Target, tensors: list[Tensor], **fields: Any) -> pb.ModelInferRequest:
    request: pb.ModelInferRequest = messages().ModelInferRequest(model_name=target.model, **fields)
    for one in tensors:
        request.inputs.add(name=one.name, datatype=one.datatype, shape=one.shape)
    return request


def outputs(response: pb.ModelInferResponse) -> dict[str, Tensor]:
    """Output tensors by name, typed or raw."""
    blobs = list(response.raw_output_contents)
    expect(not blobs or len(blobs) == len(response.outputs), f"{len(blobs)} raw for {len(response.outputs)} outputs")
    found = {}
    for at, one in enumerate(response.outputs):
        shape = tuple(one.shape)
        if blobs:
            expect(not one.contents.ListFields(), f"output {one.name} is typed and raw")
            found[one.name] = unpack(one.name, one.datatype, shape, blobs[at])
        else:
            expect(one.datatype in FIELDS, f"output {one.name}: {one.datatype} has no typed contents")
            found[one.name] = Tensor(one.name, one.datatype, shape, tuple(getattr(one.contents, FIELDS[one.datatype])))
    return found
