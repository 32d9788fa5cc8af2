"""Inputs that fit a card, to warm up and to measure with."""

import numpy as np

from modelyard_server.package.card import TensorSpec
from modelyard_server.protocol.datatypes import NUMPY, Array


def zeros(spec: TensorSpec, rows: int) -> Array:
    """Zeros (or empty strings) of the declared row shape; a free dimension gets size 1."""
    shape = (rows, *(1 if size == -1 else size for size in spec.shape[1:]))
    if spec.datatype == "BYTES":
        return np.full(shape, b"", np.object_)
    return np.zeros(shape, NUMPY[spec.datatype])
