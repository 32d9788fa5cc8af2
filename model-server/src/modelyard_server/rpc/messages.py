"""Inference messages to checked requests, and outputs to responses; the checks are those of the REST protocol."""

from collections.abc import Mapping

import msgspec

from modelyard_server.errors import BadRequestError
from modelyard_server.protocol import signature as signatures
from modelyard_server.protocol import tensors, v2
from modelyard_server.protocol.datatypes import Array
from modelyard_server.protocol.signature import Signature
from modelyard_server.rpc import contents
from modelyard_server.rpc.inference_pb2 import InferParameter, ModelInferRequest, ModelInferResponse


class Request(msgspec.Struct, frozen=True):
    """A checked request. `raw` says how it came, and so how it is answered."""

    id: str
    inputs: dict[str, Array]
    rows: int
    outputs: tuple[str, ...]
    raw: bool
    timeout: float | None


def parse(signature: Signature, message: ModelInferRequest) -> Request:
    """Decode and check; raises BadRequestError."""
    raw = len(message.raw_input_contents) > 0
    if raw and len(message.raw_input_contents) != len(message.inputs):
        counts = f"{len(message.raw_input_contents)} tensors for {len(message.inputs)} inputs"
        raise BadRequestError(f"raw_input_contents: {counts}; give one for each input")
    arrays: dict[str, Array] = {}
    for position, item in enumerate(message.inputs):
        if item.name in arrays:
            raise BadRequestError(f"input {item.name!r}: is given twice")
        spec = signature.input(item.name)
        shape = tensors.shape_of(item.name, list(item.shape))
        signatures.check_tensor(spec, item.datatype, shape)
        if not raw:
            arrays[item.name] = contents.decode(item.name, spec.datatype, shape, item.contents)
        elif item.HasField("contents"):
            raise BadRequestError(f"input {item.name!r}: give contents or raw_input_contents, not both")
        else:
            blob = memoryview(message.raw_input_contents[position])
            arrays[item.name] = tensors.from_binary(item.name, spec.datatype, shape, blob)
    rows = signatures.row_count(signature, arrays)
    wanted = tuple(signature.output(item.name).name for item in message.outputs)
    outputs = wanted or tuple(spec.name for spec in signature.outputs)
    timeout = v2.timeout_of(parameter(message.parameters, "timeout"))
    return Request(message.id, arrays, rows, outputs, raw, timeout)


def parameter(parameters: Mapping[str, InferParameter], name: str) -> bool | int | str | float | None:
    """The value of a parameter; None when it is absent or empty."""
    if name not in parameters:
        return None
    found = parameters[name]
    kind = found.WhichOneof("parameter_choice")
    value: bool | int | str | float | None = getattr(found, kind) if kind else None
    return value


def respond(
    signature: Signature, served: tuple[str, str], request: Request, arrays: Mapping[str, Array]
) -> ModelInferResponse:
    """Encode the wanted outputs; `served` is the model's name and version. FP16 has no typed form, so all goes raw."""
    response = ModelInferResponse(model_name=served[0], model_version=served[1], id=request.id)
    specs = [signature.output(name) for name in request.outputs]
    raw = request.raw or any(spec.datatype == "FP16" for spec in specs)
    for spec in specs:
        array = arrays[spec.name]
        output = response.outputs.add(name=spec.name, datatype=spec.datatype, shape=array.shape)
        if raw:
            response.raw_output_contents.append(tensors.to_binary(spec.datatype, array))
        else:
            output.contents.CopyFrom(contents.encode(spec.datatype, array))
    return response
