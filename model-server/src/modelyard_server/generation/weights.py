"""Weights that lie in files: each is read when it is asked for, straight into the type that computes.

Nothing else holds a copy, so that loading takes little more memory than the model keeps.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from modelyard_server.errors import StartupError
from modelyard_server.generation import gguf_file
from modelyard_server.generation.gguf_file import StoredTensor

AT_ONCE = 1 << 20
"""Values that are dequantised together, which bounds what is there twice."""
EXACT = "rope_factors"
"""Of frequencies: it stays float32, whatever computes."""


class Stored(Protocol):
    """One tensor in a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def read(self, dtype: torch.dtype) -> Tensor: ...


class Weights(Mapping[str, Tensor]):
    """Tensors by transformers' names, read anew at each look."""

    def __init__(self, stored: Mapping[str, Stored], dtype: torch.dtype = torch.float32, device: str = "cpu") -> None:
        self._stored = stored
        self._dtype = dtype
        self._device = device

    def __getitem__(self, name: str) -> Tensor:
        return self._stored[name].read(torch.float32 if name == EXACT else self._dtype).to(self._device)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of all tensors, of which none is read."""
        return {name: one.shape for name, one in self._stored.items()}

    def wanted(self, dtype: torch.dtype, device: str) -> "Weights":
        """The same, in another type and place."""
        return Weights(self._stored, dtype, device)


class FromSafetensors:
    """A tensor of a safetensors file that is open."""

    def __init__(self, file: Any, name: str) -> None:
        self._file = file
        self._name = name
        self.shape: tuple[int, ...] = tuple(file.get_slice(name).get_shape())

    def read(self, dtype: torch.dtype) -> Tensor:
        """All of it."""
        found: Tensor = self._file.get_tensor(self._name)
        return found.to(dtype)


class FromGguf:
    """A quantised tensor; of a matrix whose rows `turned` by pairs, neighbours come to elements i and i + half."""

    def __init__(self, stored: StoredTensor, turned: int = 0) -> None:
        self._stored = stored
        self._turned = turned
        self.shape = stored.shape

    def read(self, dtype: torch.dtype) -> Tensor:
        """Piece by piece."""
        rows = self._stored.data
        values = torch.empty((len(rows), self.shape[-1]), dtype=dtype)
        dequantise = gguf_file.dequantiser(self._stored.kind)
        step = max(1, AT_ONCE // self.shape[-1])
        for begin in range(0, len(rows), step):
            piece = dequantise(rows[begin : begin + step])
            values[begin : begin + step] = torch.from_numpy(piece if piece.flags.writeable else piece.copy())
        whole = values.reshape(self.shape)
        return halves(whole, self._turned) if self._turned else whole


def halves(rows: Tensor, head_size: int) -> Tensor:
    """Rows of a query or key matrix (or its bias) from neighbours that rotate together to elements i and i + half."""
    shape = rows.shape
    return rows.reshape(-1, head_size // 2, 2, *shape[1:]).transpose(1, 2).reshape(shape).contiguous()


def of_safetensors(paths: list[Path]) -> Weights:
    """All tensors of some files. Raises StartupError."""
    stored: dict[str, Stored] = {}
    for path in paths:
        try:
            file: Any = safe_open(path, framework="pt")
            stored |= {name: FromSafetensors(file, name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        except (SafetensorError, OSError) as error:
            raise StartupError("LoadFailed", f"{path.name}: not readable as safetensors: {error}") from error
    return Weights(stored)
