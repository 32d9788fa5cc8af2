"""The V2 inference request and response, JSON and the binary tensor extension.

Protocol: Open Inference Protocol, "Inference Request/Response JSON Object" and "Binary Tensor Data Extension".
A request is JSON; with the header `Inference-Header-Content-Length: n` the first n bytes are JSON and the tensors'
raw bytes follow in the order of the inputs that have `binary_data_size`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypedDict, TypeVar

import msgspec
import numpy as np
import orjson

from modelyard_server.errors import BadRequestError
from modelyard_server.protocol import signature as signatures
from modelyard_server.protocol import tensors
from modelyard_server.protocol.datatypes import NUMPY, Array
from modelyard_server.protocol.signature import Signature

NO_PARAMETERS: Mapping[str, Any] = {}
Decode = Callable[[bytes | memoryview], Any]
Kind = TypeVar("Kind", float, int, bool)


class _Tensor(TypedDict, Generic[Kind], total=False):
    name: Any
    shape: Any
    datatype: Any
    parameters: Any
    data: list[Kind]


class _Document(TypedDict, Generic[Kind], total=False):
    id: Any
    parameters: Any
    inputs: list[_Tensor[Kind]]
    outputs: Any


_DOCUMENTS: dict[type, Any] = {float: _Document[float], int: _Document[int], bool: _Document[bool]}


class OutputRequest(msgspec.Struct, frozen=True):
    """One wanted output and its form."""

    name: str
    binary: bool


class Request(msgspec.Struct, frozen=True):
    """A checked request: every input is there and fits the signature."""

    id: str | None
    inputs: dict[str, Array]
    rows: int
    outputs: tuple[OutputRequest, ...]
    timeout: float | None = None
    """Seconds that the request may wait in the queue, as the client asks."""
    parameters: Mapping[str, Any] = NO_PARAMETERS


class Response(msgspec.Struct, frozen=True):
    """Encoded answer. `json_bytes` is the JSON part's length when raw tensors follow it, else None."""

    body: bytes
    json_bytes: int | None


def decoder(signature: Signature) -> Decode:
    """What reads the JSON of most requests: it takes flat data of the model's own kind only, and knows then that every
    element is such a number. Other requests are read again, by a reader that takes all JSON."""
    kinds = {tensors.KINDS.get(spec.datatype) for spec in signature.inputs}
    kind = kinds.pop() if len(kinds) == 1 else None
    return msgspec.json.Decoder(_DOCUMENTS[kind]).decode if kind is not None else _refuse


def _refuse(_head: bytes | memoryview) -> Any:
    raise msgspec.ValidationError


def parse(signature: Signature, body: bytes, json_bytes: int | None, decode: Decode = _refuse) -> Request:
    """Decode and check a request. `json_bytes` is the value of Inference-Header-Content-Length, if given; `decode` is
    the model's `decoder`."""
    if json_bytes == 0:
        return _raw_request(signature, memoryview(body))
    head, tail = _split(body, json_bytes)
    try:
        document, typed = decode(head), True
    except msgspec.DecodeError:
        document, typed = _object(head), False
    request_id = document.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise BadRequestError("id: must be a string")
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise BadRequestError("inputs: must be a list of at least one tensor")
    arrays = _arrays(signature, inputs, tail, typed=typed)
    rows = signatures.row_count(signature, arrays)
    parameters = _parameters("body", document) if "parameters" in document else NO_PARAMETERS
    outputs = _outputs(signature, document, all_binary=parameters.get("binary_data_output", False) is True)
    return Request(request_id, arrays, rows, outputs, timeout_of(parameters.get("timeout")), parameters)


def timeout_of(microseconds: object) -> float | None:
    """Seconds from the request parameter `timeout`, which Triton's clients send; 0 means no limit of their own."""
    if microseconds is None or microseconds == 0:
        return None
    if type(microseconds) is not int or microseconds < 0:
        raise BadRequestError("parameters: timeout must be a number of microseconds")
    return microseconds / 1_000_000


def _split(body: bytes, json_bytes: int | None) -> tuple[bytes | memoryview, memoryview]:
    if json_bytes is None:
        return body, memoryview(b"")
    if not 0 <= json_bytes <= len(body):
        raise BadRequestError(
            f"Inference-Header-Content-Length: {json_bytes} is more than the body's {len(body)} bytes"
        )
    view = memoryview(body)
    return view[:json_bytes], view[json_bytes:]


def _object(head: bytes | memoryview) -> dict[str, Any]:
    try:
        document = orjson.loads(head)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"body: not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadRequestError('body: must be a JSON object with "inputs"')
    return document


def _arrays(signature: Signature, inputs: list[Any], tail: memoryview, *, typed: bool) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    position = 0
    for item in inputs:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise BadRequestError("inputs: each tensor must be an object with a name")
        name = item["name"]
        if name in arrays:
            raise BadRequestError(f"input {name!r}: is given twice")
        spec = signature.input(name)
        shape = tensors.shape_of(name, item.get("shape"))
        signatures.check_tensor(spec, item.get("datatype"), shape)
        size = _binary_size(name, item)
        if size is None:
            arrays[name] = tensors.from_json(name, spec.datatype, shape, item.get("data"), typed=typed)
        else:
            if position + size > len(tail):
                raise BadRequestError(
                    f"input {name!r}: binary_data_size {size} is more than the {len(tail) - position} bytes left"
                )
            arrays[name] = tensors.from_binary(name, spec.datatype, shape, tail[position : position + size])
            position += size
    if position != len(tail):
        raise BadRequestError(f"body: {len(tail) - position} bytes follow the last binary tensor")
    return arrays


def _parameters(where: str, item: dict[str, Any]) -> dict[str, Any]:
    parameters = item.get("parameters", {})
    if not isinstance(parameters, dict):
        raise BadRequestError(f"{where}: parameters must be an object")
    return parameters


def _binary_size(name: str, item: dict[str, Any]) -> int | None:
    size = _parameters(f"input {name!r}", item).get("binary_data_size") if "parameters" in item else None
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise BadRequestError(f"input {name!r}: binary_data_size must be a number of bytes")
    if "data" in item:
        raise BadRequestError(f"input {name!r}: give data or binary_data_size, not both")
    return size


def _outputs(signature: Signature, document: dict[str, Any], *, all_binary: bool) -> tuple[OutputRequest, ...]:
    wanted = document.get("outputs")
    if not wanted and wanted in (None, []):
        return tuple(OutputRequest(spec.name, all_binary) for spec in signature.outputs)
    if not isinstance(wanted, list) or not all(isinstance(o, dict) and isinstance(o.get("name"), str) for o in wanted):
        raise BadRequestError("outputs: must be a list of objects with a name")
    chosen = []
    for item in wanted:
        name = signature.output(item["name"]).name
        binary = _parameters(f"output {name!r}", item).get("binary_data", all_binary)
        chosen.append(OutputRequest(name, binary is True))
    return tuple(chosen)


def _raw_request(signature: Signature, body: memoryview) -> Request:
    """A header length of 0: the whole body is the one input's data, and the rows follow from its size."""
    if len(signature.inputs) != 1 or -1 in signature.inputs[0].shape[1:] or signature.inputs[0].datatype == "BYTES":
        raise BadRequestError(
            "Inference-Header-Content-Length: 0 needs a model with one numeric input of fixed row size"
        )
    spec = signature.inputs[0]
    row_bytes = int(np.prod(spec.shape[1:], dtype=np.int64)) * NUMPY[spec.datatype].itemsize
    if len(body) == 0 or len(body) % row_bytes:
        raise BadRequestError(f"body: {len(body)} bytes are no whole number of rows of {row_bytes} bytes")
    shape = (len(body) // row_bytes, *spec.shape[1:])
    array = tensors.from_binary(spec.name, spec.datatype, shape, body)
    outputs = tuple(OutputRequest(output.name, binary=True) for output in signature.outputs)
    return Request(None, {spec.name: array}, shape[0], outputs)


def respond(signature: Signature, served: tuple[str, str], request: Request, arrays: Mapping[str, Array]) -> Response:
    """Encode the wanted outputs; `served` is the model's name and version."""
    document: dict[str, Any] = {"model_name": served[0], "model_version": served[1]}
    if request.id is not None:
        document["id"] = request.id
    outputs: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for wanted in request.outputs:
        array, datatype = arrays[wanted.name], signature.output(wanted.name).datatype
        entry: dict[str, Any] = {"name": wanted.name, "datatype": datatype, "shape": array.shape}
        if wanted.binary:
            blobs.append(tensors.to_binary(datatype, array))
            entry["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            entry["data"] = tensors.to_json(wanted.name, datatype, array)
        outputs.append(entry)
    document["outputs"] = outputs
    head = tensors.dump(document, {w.name: arrays[w.name] for w in request.outputs if not w.binary})
    if not blobs:
        return Response(head, None)
    return Response(b"".join((head, *blobs)), len(head))
