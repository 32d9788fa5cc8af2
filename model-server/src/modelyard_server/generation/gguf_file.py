"""GGUF files: metadata and tensors of a mapped file. Nothing is copied before it is asked for.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little end first. Files come from
strangers: every length is checked against what the file holds before it is believed.
"""

import mmap
import struct
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from modelyard_server.errors import StartupError
from modelyard_server.protocol.datatypes import Array

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)
_MOST_DIMENSIONS = 4


class StoredTensor(msgspec.Struct, frozen=True):
    """A tensor in its stored form: `kind` is GGML's number of it, `data` rows of bytes [rows, bytes] of the file."""

    shape: tuple[int, ...]
    kind: int
    data: Array


class GgufFile(msgspec.Struct, frozen=True):
    """All that a file holds."""

    fields: Mapping[str, Any]
    tensors: Mapping[str, StoredTensor]


class _Cursor:
    """Reads one value after the other."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def scalar(self, form: str) -> Any:
        return self.scalars(form, 1)[0]

    def scalars(self, form: str, count: int) -> tuple[Any, ...]:
        wanted = f"<{count}{form}"
        begin = self._take(count * struct.calcsize(form))
        return struct.unpack_from(wanted, self.data, begin)

    def text(self) -> str:
        size = self.scalar("Q")
        begin = self._take(size)
        return self.data[begin : begin + size].decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY:
            return self.scalar(_form(kind))
        of, count = self.scalar("I"), self.scalar("Q")
        if of == _ARRAY:
            raise ValueError("an array of arrays")
        self._check(count)
        return [self.text() for _ in range(count)] if of == _STRING else list(self.scalars(_form(of), count))

    def _take(self, size: int) -> int:
        self._check(size)
        begin = self.at
        self.at += size
        return begin

    def _check(self, size: int) -> None:
        if size > len(self.data) - self.at:
            raise ValueError(f"{size} bytes or values at byte {self.at}, where {len(self.data) - self.at} are left")


def _form(kind: int) -> str:
    if kind not in _SCALARS:
        raise ValueError(f"values of the unknown type {kind}")
    return _SCALARS[kind]


def read(path: Path) -> GgufFile:
    """Map a file. Raises StartupError."""
    if not path.is_file():
        raise StartupError("LoadFailed", f"{path.name}: no such file in the package")
    try:
        with path.open("rb") as file:
            return _parse(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (ValueError, OSError, struct.error, MemoryError) as error:
        raise StartupError("LoadFailed", f"{path.name}: not readable as GGUF: {error}") from error


def _parse(data: mmap.mmap) -> GgufFile:
    cursor = _Cursor(data)
    if data[:4] != b"GGUF":
        raise ValueError("it does not begin with GGUF")
    cursor.at = 4
    if (version := cursor.scalar("I")) not in _VERSIONS:
        raise ValueError(f"version {version}; versions {_VERSIONS[0]} and {_VERSIONS[1]} are read")
    tensors, count = cursor.scalars("Q", 2)
    fields = {}
    for _ in range(count):
        name, kind = cursor.text(), cursor.scalar("I")
        fields[name] = cursor.value(kind)
    described = [_description(cursor) for _ in range(tensors)]
    alignment = fields.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise ValueError(f"general.alignment is {alignment!r}")
    begin = -(-cursor.at // alignment) * alignment
    return GgufFile(fields, {name: _tensor(data, name, how, begin) for name, *how in described})


def _description(cursor: _Cursor) -> tuple[str, tuple[int, ...], int, int]:
    """Name, shape (the file has the last dimension first), kind, place."""
    name, dimensions = cursor.text(), cursor.scalar("I")
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise ValueError(f"{name}: {dimensions} dimensions")
    shape = cursor.scalars("Q", dimensions)[::-1]
    return name, shape, cursor.scalar("I"), cursor.scalar("Q")


def _tensor(data: mmap.mmap, name: str, how: list[Any], begin: int) -> StoredTensor:
    shape, kind, place = how
    block, size = _block(name, kind)
    if shape[-1] % block:
        raise ValueError(f"{name}: rows of {shape[-1]} are not made of blocks of {block}")
    rows, width = prod(shape[:-1]), shape[-1] // block * size
    if begin + place + rows * width > len(data):
        raise ValueError(f"{name}: ends behind the end of the file")
    stored = np.frombuffer(data, np.uint8, rows * width, begin + place).reshape(rows, width)
    return StoredTensor(shape, kind, stored)


def _block(name: str, kind: int) -> tuple[int, int]:
    """Values and bytes of one block."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType  # noqa: PLC0415 (an extra)

    try:
        return GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    except (ValueError, KeyError) as error:
        raise ValueError(f"{name}: the unknown type {kind}") from error


def dequantiser(kind: int) -> Callable[[Array], Array]:
    """Rows of bytes to rows of float32. Raises NotImplementedError for types that gguf cannot read."""
    from gguf import quants  # noqa: PLC0415 (an extra)
    from gguf.constants import GGMLQuantizationType  # noqa: PLC0415

    named = GGMLQuantizationType(kind)
    return lambda rows: quants.dequantize(rows, named)
