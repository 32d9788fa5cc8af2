"""Inputs that fit a card, as they are behind its preprocessing: to warm up and to measure with."""

from collections.abc import Mapping

import numpy as np

from modelyard_server.engines import sequences
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.protocol.datatypes import NUMPY, Array

TOKENS = 16
"""Tokens of a row of text, unless the model takes fewer."""


def of(card: ModelCard, rows: int) -> Mapping[str, Array]:
    """One batch of all inputs."""
    steps = {step.input: step for step in card.preprocessing}
    made: dict[str, Array] = {}
    for spec in card.inputs:
        step = steps.get(spec.name)
        if step is not None and step.image is not None:
            made[spec.name] = np.zeros((rows, step.image.channels, *step.image.size), np.uint8)
        elif step is not None and step.tokens is not None:
            length = min(TOKENS, step.tokens.max_tokens)
            made[spec.name] = sequences.ragged([np.zeros((length,), np.int64) for _ in range(rows)])
        else:
            made[spec.name] = zeros(spec, rows)
    return made


def zeros(spec: TensorSpec, rows: int) -> Array:
    """Zeros (or empty strings) of the declared row shape; a free dimension gets size 1."""
    shape = (rows, *(1 if size == -1 else size for size in spec.shape[1:]))
    if spec.datatype == "BYTES":
        return np.full(shape, b"", np.object_)
    return np.zeros(shape, NUMPY[spec.datatype])
