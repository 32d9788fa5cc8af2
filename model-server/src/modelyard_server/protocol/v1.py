"""KServe V1 `predict`: `{"instances": [...]}` to tensors, and arrays to `{"predictions": [...]}`."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson

from modelyard_server.errors import BadRequestError
from modelyard_server.package.card import TensorSpec
from modelyard_server.protocol import signature as signatures
from modelyard_server.protocol import tensors
from modelyard_server.protocol.datatypes import Array
from modelyard_server.protocol.signature import Signature

BINARY = {"b64"}
"""Keys of an object that stands for bytes."""


def parse(signature: Signature, body: bytes) -> tuple[dict[str, Array], int]:
    """Inputs and number of rows. An instance is a row, or an object of rows when the model has several inputs.

    Where a model takes BYTES, `{"b64": "..."}` stands for bytes that JSON cannot hold.
    """
    return inputs_of(signature, document_of(body))


def document_of(body: bytes) -> Any:
    """The body as JSON. Raises BadRequestError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"body: not valid JSON: {error}") from error


def inputs_of(signature: Signature, document: Any) -> tuple[dict[str, Array], int]:
    """Inputs and number of rows of a parsed body."""
    instances = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(instances, list) or not instances:
        raise BadRequestError('body: must be {"instances": [...]} with at least one instance')
    arrays: dict[str, Array] = {}
    named = all(isinstance(instance, dict) and instance.keys() != BINARY for instance in instances)
    if not named and len(signature.inputs) != 1:
        names = ", ".join(spec.name for spec in signature.inputs)
        raise BadRequestError(f"instances: the model has several inputs; each instance must be an object with {names}")
    for spec in signature.inputs:
        values = [_field(instance, spec.name) for instance in instances] if named else instances
        arrays[spec.name] = _rows(spec, values)
    return arrays, signatures.row_count(signature, arrays)


def _field(instance: dict[str, Any], name: str) -> Any:
    if name not in instance:
        raise BadRequestError(f"instances: an instance has no {name!r}")
    return instance[name]


def _rows(spec: TensorSpec, values: list[Any]) -> Array:
    """V1 has no shapes: each instance is nested as the model's rows, or flat where the row size is fixed."""
    row = spec.shape[1:]
    if spec.datatype == "BYTES" and not row:
        return tensors.objects([_content(spec.name, value) for value in values])
    flat = (
        len(row) > 1 and -1 not in row and all(isinstance(v, list) and v and not isinstance(v[0], list) for v in values)
    )
    if flat:
        merged = [element for value in values for element in value]
        return tensors.from_json(spec.name, spec.datatype, (len(values), *row), merged)
    array = tensors.from_json(spec.name, spec.datatype, _nesting(values), values)
    signatures.check_tensor(spec, spec.datatype, array.shape)
    return array


def _content(name: str, value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    try:
        if isinstance(value, dict) and value.keys() == BINARY:
            return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise BadRequestError(f"input {name!r}: b64 does not hold base64") from error
    raise BadRequestError(f'input {name!r}: each row must be a string, or {{"b64": "..."}} for bytes')


def _nesting(values: Any) -> tuple[int, ...]:
    shape: list[int] = []
    while isinstance(values, list):
        shape.append(len(values))
        values = values[0] if values else None
    return tuple(shape)


def respond(signature: Signature, arrays: Mapping[str, Array], **more: Any) -> bytes:
    """One prediction per row: a bare value for a single output, an object by output name otherwise; then `more`."""
    columns: dict[str, list[Any]] = {}
    for spec in signature.outputs:
        array = arrays[spec.name]
        data = tensors.to_json(spec.name, spec.datatype, array)
        columns[spec.name] = data if isinstance(data, list) else list(data.reshape(array.shape))
    if len(columns) == 1:
        predictions: list[Any] = next(iter(columns.values()))
    else:
        predictions = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return tensors.dump({"predictions": predictions, **more}, arrays)
