"""Embeddings as the protocol shows them."""

import base64
from typing import Any

import numpy as np

from modelyard_server.openai.bodies import Embedding
from modelyard_server.openai.reading import FieldError
from modelyard_server.protocol.datatypes import Array


def document(asked: Embedding, rows: Array, tokens: int) -> dict[str, Any]:
    """The answer for rows [texts, size] of FP32."""
    kept = shortened(rows, asked.dimensions)
    data = [{"object": "embedding", "index": n, "embedding": _encoded(row, asked)} for n, row in enumerate(kept)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": asked.model, "usage": usage}


def shortened(rows: Array, dimensions: int | None) -> Array:
    """The first dimensions, at length 1 again, as OpenAI's `dimensions` does. Raises FieldError."""
    size = rows.shape[1]
    if dimensions is None or dimensions == size:
        return rows
    if dimensions > size:
        raise FieldError("dimensions", f"dimensions: {dimensions}; the model's embeddings have {size}")
    cut = rows[:, :dimensions]
    lengths = np.linalg.norm(cut, axis=1, keepdims=True)
    shorter: Array = (cut / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return shorter


def _encoded(row: Array, asked: Embedding) -> Any:
    """A list of numbers, or little-endian float32 in base64."""
    if asked.encoding_format == "base64":
        return base64.b64encode(np.ascontiguousarray(row, "<f4").tobytes()).decode()
    return np.ascontiguousarray(row, np.float32)
