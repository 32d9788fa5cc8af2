"""Typed tensor contents to a numpy array and back. No Python code runs per element.

A packed list of floats lies in a serialised message as it lies in memory, behind one tag and one length; copying that
is ten times as fast as asking for one number after the other. Integers are varints there, so numpy asks for them.
"""

import numpy as np

from modelyard_server.errors import BadRequestError
from modelyard_server.protocol import tensors
from modelyard_server.protocol.datatypes import NUMPY, Array
from modelyard_server.rpc.inference_pb2 import InferTensorContents

FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents", "INT64": "int64_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
_WIRE = {"int_contents": np.dtype(np.int32), "uint_contents": np.dtype(np.uint32)}
"""What a field holds where several datatypes share it."""
_PACKED = {"FP32": b"\x32", "FP64": b"\x3a"}
"""Tag of the field: its number, and the wire type of a length with bytes behind it."""


def decode(name: str, datatype: str, shape: tuple[int, ...], contents: InferTensorContents) -> Array:
    """One input; the values must lie in the field of their datatype and in no other. Raises BadRequestError."""
    field = FIELDS.get(datatype)
    if field is None:
        raise BadRequestError(f"input {name!r}: {datatype} has no typed contents; send it in raw_input_contents")
    contents.DiscardUnknownFields()
    if others := [found.name for found, _ in contents.ListFields() if found.name != field]:
        raise BadRequestError(f"input {name!r}: {datatype} travels in {field}, not in {', '.join(others)}")
    values = getattr(contents, field)
    if datatype == "BYTES":
        return tensors.shaped(name, tensors.objects(list(values)), shape)
    if datatype in _PACKED:
        size = len(values) * NUMPY[datatype].itemsize
        blob = contents.SerializeToString()
        return tensors.shaped(name, np.frombuffer(blob, NUMPY[datatype], offset=len(blob) - size), shape)
    array = np.fromiter(values, _WIRE.get(field, NUMPY[datatype]), len(values))
    return tensors.shaped(name, tensors.cast(name, datatype, array), shape)


def encode(datatype: str, array: Array) -> InferTensorContents:
    """One output, flat."""
    contents = InferTensorContents()
    if array.size and datatype in _PACKED:
        raw = np.ascontiguousarray(array, NUMPY[datatype]).tobytes()
        contents.MergeFromString(_PACKED[datatype] + _varint(len(raw)) + raw)
    else:
        getattr(contents, FIELDS[datatype]).extend(array.ravel().tolist())
    return contents


def _varint(number: int) -> bytes:
    """Seven bits in a byte, the lowest first; the eighth bit says that more follow."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
