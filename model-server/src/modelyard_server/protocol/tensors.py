"""One tensor: JSON data (nested or flat) or raw bytes to a numpy array, and back."""

import struct
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import orjson

from modelyard_server.errors import BadRequestError, InferenceError
from modelyard_server.protocol.datatypes import NUMPY, Array

MAX_ELEMENTS = 1 << 31
_PACKED = {
    "BOOL": "?", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q",
    "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q", "FP32": "f", "FP64": "d",
}  # fmt: skip
"""Numbers that JSON can carry, as `struct` packs them."""
KINDS = {name: {"f": float, "d": float, "?": bool}.get(form, int) for name, form in _PACKED.items()}
"""What an element of a datatype is in JSON."""


def shape_of(name: str, value: object) -> tuple[int, ...]:
    """The `shape` field as a tuple of sizes."""
    if not isinstance(value, list) or not all(type(size) is int and size >= 0 for size in value):
        raise BadRequestError(f"input {name!r}: shape must be a list of sizes, for example [1, 64]")
    if prod(value) > MAX_ELEMENTS:
        raise BadRequestError(f"input {name!r}: shape {value} has more than {MAX_ELEMENTS} elements")
    return tuple(value)


def from_json(name: str, datatype: str, shape: tuple[int, ...], data: object, *, typed: bool = False) -> Array:
    """Decode `data`, a row-major list, flat or nested as `shape`; values must fit the datatype without loss of kind.

    `typed` data are known to be flat and of the datatype's kind.
    """
    if not isinstance(data, list):
        raise BadRequestError(f"input {name!r}: data must be a list of values")
    if datatype == "FP16":
        raise BadRequestError(f"input {name!r}: FP16 has no JSON form; send it as binary tensor data or as FP32")
    if typed and (packed := pack(datatype, data)) is not None:
        return shaped(name, packed, shape)
    array = _bytes_array(name, data) if datatype == "BYTES" else _number_array(name, datatype, data)
    return shaped(name, array, shape)


def pack(datatype: str, values: list[Any]) -> Array | None:
    """A flat list of numbers of one kind, as `v2.decoder` gives it; None when a number is out of range.

    Takes a fraction of the time in which numpy finds out what is in a list.
    """
    try:
        return np.frombuffer(struct.pack(f"<{len(values)}{_PACKED[datatype]}", *values), NUMPY[datatype])
    except (struct.error, OverflowError):
        return None


def _number_array(name: str, datatype: str, data: list[Any]) -> Array:
    if not data:
        return np.empty((0,), NUMPY[datatype])
    try:
        raw: Array = np.array(data)
    except (ValueError, OverflowError) as error:
        raise BadRequestError(f"input {name!r}: data is nested unevenly") from error
    if datatype == "UINT64" and raw.dtype.kind == "f":
        raw = _large_integers(data, raw)
    return cast(name, datatype, raw)


def _large_integers(data: list[Any], guessed: Array) -> Array:
    """numpy guesses float64 for a mix of integers below and above 2^63; take them exactly, if integers they are."""
    exact: Array = np.array(data, np.object_)
    if all(type(value) is int and 0 <= value < 1 << 64 for value in exact.ravel()):
        return exact.astype(np.uint64)
    return guessed


def cast(name: str, datatype: str, raw: Array) -> Array:
    """Numbers to the declared type: no strings, no fractions for integers, no silent wrap-around or overflow."""
    target = NUMPY[datatype]
    accepted = {"b": "b", "u": "iu", "i": "iu", "f": "iuf"}[target.kind]
    if raw.size and raw.dtype.kind not in accepted:
        raise BadRequestError(f"input {name!r}: data holds values that are not {datatype}")
    if target.kind in "iu" and raw.size:
        limits = np.iinfo(target)
        if int(raw.min()) < limits.min or int(raw.max()) > limits.max:
            raise BadRequestError(f"input {name!r}: data is out of range for {datatype} ({limits.min} to {limits.max})")
    try:
        with np.errstate(over="raise"):
            return raw.astype(target)
    except FloatingPointError as error:
        raise BadRequestError(f"input {name!r}: data is out of range for {datatype}") from error


def _bytes_array(name: str, data: list[Any]) -> Array:
    """Strings, flat or nested, as an object array of bytes. Filled by hand: numpy would guess fixed-width strings."""
    shape: list[int] = []
    level: Any = data
    while isinstance(level, list):
        shape.append(len(level))
        level = level[0] if level else None
    flat: list[Any] = data
    for depth in range(1, len(shape)):
        if not all(isinstance(part, list) and len(part) == shape[depth] for part in flat):
            raise BadRequestError(f"input {name!r}: data is nested unevenly")
        flat = [value for part in flat for value in part]
    if not all(isinstance(value, str) for value in flat):
        raise BadRequestError(f"input {name!r}: BYTES data must be strings")
    return objects([value.encode("utf-8", "surrogatepass") for value in flat]).reshape(shape)


def objects(values: list[bytes]) -> Array:
    """Byte strings as an array; numpy itself would guess fixed-width strings."""
    array = np.empty((len(values),), np.object_)
    array[:] = values
    return array


def shaped(name: str, array: Array, shape: tuple[int, ...]) -> Array:
    """A flat array in its declared shape."""
    if array.shape == shape:
        return array
    if array.size != prod(shape):
        raise BadRequestError(f"input {name!r}: data has {array.size} values, shape {list(shape)} needs {prod(shape)}")
    if array.ndim != 1:
        raise BadRequestError(f"input {name!r}: data is nested as {list(array.shape)}, shape says {list(shape)}")
    return array.reshape(shape)


def from_binary(name: str, datatype: str, shape: tuple[int, ...], blob: memoryview) -> Array:
    """Decode raw little-endian elements; BYTES are u32 length and content, one after the other."""
    if datatype == "BYTES":
        return shaped(name, objects(_split_lengths(name, blob)), shape)
    target = NUMPY[datatype]
    needed = prod(shape) * target.itemsize
    if len(blob) != needed:
        raise BadRequestError(f"input {name!r}: {len(blob)} bytes of data, {datatype} {list(shape)} needs {needed}")
    array: Array = np.frombuffer(blob, target).reshape(shape)
    if target.kind == "b" and blob.nbytes and np.frombuffer(blob, np.uint8).max() > 1:
        raise BadRequestError(f"input {name!r}: BOOL bytes must be 0 or 1")
    return array


def _split_lengths(name: str, blob: memoryview) -> list[bytes]:
    values: list[bytes] = []
    position = 0
    while position < len(blob):
        if position + 4 > len(blob):
            raise BadRequestError(f"input {name!r}: BYTES data ends within a length")
        (length,) = struct.unpack_from("<I", blob, position)
        position += 4
        if position + length > len(blob):
            raise BadRequestError(f"input {name!r}: BYTES data ends within an element of {length} bytes")
        values.append(bytes(blob[position : position + length]))
        position += length
    return values


def to_json(name: str, datatype: str, array: Array) -> Array | list[str]:
    """Flat JSON data; numbers stay an array (orjson writes it), so callers pass OPT_SERIALIZE_NUMPY."""
    if datatype == "FP16":
        raise BadRequestError(f"output {name!r}: FP16 has no JSON form; ask for binary_data")
    if datatype == "BYTES":
        try:
            return [value.decode() for value in array.ravel()]
        except UnicodeDecodeError as error:
            raise BadRequestError(f"output {name!r}: holds bytes that are not text; ask for binary_data") from error
    return np.ascontiguousarray(array.ravel())


def dump(document: dict[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """JSON of an answer that holds `arrays`. orjson writes NaN and infinity as null; only then a look is worth it."""
    encoded = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in encoded:
        for name, array in arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise InferenceError(
                    f"output {name!r}: holds NaN or infinity, which JSON cannot say; ask for binary_data"
                )
    return encoded


def to_binary(datatype: str, array: Array) -> bytes:
    """Raw little-endian elements; BYTES with a u32 length before each."""
    if datatype == "BYTES":
        return b"".join(struct.pack("<I", len(value)) + value for value in array.ravel())
    return np.ascontiguousarray(array, NUMPY[datatype]).tobytes()
