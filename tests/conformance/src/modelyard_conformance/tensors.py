"""Inputs from a model's metadata, and values to bytes and back. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isclose, isnan, prod
from typing import Any

from modelyard_conformance.clauses import FailedError

ROWS = 2
CODES = {
    "BOOL": "?", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q",
    "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip
"""Datatypes of the protocol as `struct` packs them; BYTES has lengths instead."""
DATATYPES = (*CODES, "BYTES")
Value = bool | int | float | str | bytes


@dataclass(frozen=True)
class Declared:
    """One input or output of a model's metadata."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def sized(self, rows: int) -> tuple[int, ...]:
        """A shape to send: `rows` where the first size is free, 1 where another one is."""
        free = tuple(1 if size == -1 else size for size in self.shape)
        return (rows, *free[1:]) if self.shape and self.shape[0] == -1 else free

    def fits(self, shape: Iterable[int]) -> bool:
        """Whether a tensor may have this shape."""
        found = list(shape)
        return len(found) == len(self.shape) and all(
            size in (-1, one) for size, one in zip(self.shape, found, strict=True)
        )


@dataclass(frozen=True)
class Tensor:
    """A tensor with its values in row-major order."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: tuple[Value, ...]

    def row(self, at: int) -> Tensor:
        """One row of it."""
        size = prod(self.shape[1:])
        return Tensor(self.name, self.datatype, (1, *self.shape[1:]), self.values[at * size : (at + 1) * size])


def sample(declared: Declared, rows: int = ROWS) -> Tensor:
    """Small values that differ from row to row, so that a mix-up shows."""
    shape = declared.sized(rows)
    return Tensor(declared.name, declared.datatype, shape, tuple(_values(declared.datatype, prod(shape))))


def _values(datatype: str, count: int) -> Iterator[Value]:
    for at in range(count):
        if datatype == "BYTES":
            yield f"text {at % 5}"
        elif datatype == "BOOL":
            yield at % 3 == 0
        else:
            yield at % 7 / 2 if datatype.startswith("FP") else at % 7


def nested(tensor: Tensor) -> Any:
    """The values as lists in lists, as the shape says."""
    level: list[Any] = list(tensor.values)
    for size in reversed(tensor.shape[1:]):
        level = [level[at : at + size] for at in range(0, len(level), size)] if size else []
    return level


def flatten(data: Any) -> tuple[Value, ...]:
    """Values of nested or flat data, in order."""
    if isinstance(data, list):
        return tuple(value for part in data for value in flatten(part))
    return (data,)


def pack(tensor: Tensor) -> bytes:
    """The binary form: little-endian, without padding; BYTES with a length before each."""
    if tensor.datatype == "BYTES":
        raw = [value.encode() if isinstance(value, str) else bytes(value) for value in tensor.values]  # type: ignore[arg-type]
        return b"".join(struct.pack("<I", len(one)) + one for one in raw)
    return struct.pack(f"<{len(tensor.values)}{CODES[tensor.datatype]}", *tensor.values)


def unpack(name: str, datatype: str, shape: tuple[int, ...], blob: bytes) -> Tensor:
    """A tensor from its binary form. Raises FailedError."""
    if datatype == "BYTES":
        return Tensor(name, datatype, shape, tuple(_strings(name, blob)))
    needed = prod(shape) * struct.calcsize("<" + CODES[datatype])
    if len(blob) != needed:
        raise FailedError(f"output {name}: {len(blob)} bytes for {datatype} {list(shape)}, which has {needed}")
    return Tensor(name, datatype, shape, struct.unpack(f"<{prod(shape)}{CODES[datatype]}", blob))


def _strings(name: str, blob: bytes) -> Iterator[Value]:
    at = 0
    while at < len(blob):
        (length,) = struct.unpack_from("<I", blob, at)
        if at + 4 + length > len(blob):
            raise FailedError(f"output {name}: a BYTES element of {length} bytes ends after the data")
        yield blob[at + 4 : at + 4 + length].decode("utf-8", "backslashreplace")
        at += 4 + length


def alike(one: Tensor, other: Tensor) -> bool:
    """The same shape and, but for rounding, the same values."""
    return one.shape == other.shape and all(
        _close(left, right) for left, right in zip(one.values, other.values, strict=True)
    )


def _close(one: Value, other: Value) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        left, right = float(one), float(other)
        return (isnan(left) and isnan(right)) or isclose(left, right, rel_tol=1e-4, abs_tol=1e-5)
    return _text(one) == _text(other)


def _text(value: Value) -> Value:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
