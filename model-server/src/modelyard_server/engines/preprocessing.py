"""The package's declared scaling, `(x * scale - mean) / std`, folded into one multiplication and one addition."""

from collections.abc import Mapping

import numpy as np

from modelyard_server.package import rules
from modelyard_server.package.card import ModelCard
from modelyard_server.package.steps import Preprocessing
from modelyard_server.protocol.datatypes import Array


class Scaler:
    """Scales one input to float32."""

    def __init__(self, step: Preprocessing, row: tuple[int, ...]) -> None:
        mean, std = (_per_element(values, row) for values in (step.mean, step.std))
        self._factor = np.asarray(step.scale / std, np.float32)
        self._offset = np.asarray(-mean / std, np.float32)

    def __call__(self, array: Array) -> Array:
        """A new array; the request's own is left as it is."""
        scaled: Array = np.multiply(array, self._factor, dtype=np.float32)
        scaled += self._offset
        return scaled


def scalers(card: ModelCard) -> Mapping[str, Scaler]:
    """One scaler per input of numbers that declares preprocessing."""
    rows = {spec.name: rules.prepared_row(card, spec) for spec in card.inputs}
    return {step.input: Scaler(step, rows[step.input]) for step in card.preprocessing if step.tokens is None}


def as_floats(array: Array, scaler: Scaler | None) -> Array:
    """Scaled, or plain float32; always writable, since torch refuses to share read-only request bytes."""
    if scaler is not None:
        return scaler(array)
    return np.require(array, np.float32, ["C", "W"])


def _per_element(values: tuple[float, ...], row: tuple[int, ...]) -> Array:
    array = np.asarray(values, np.float64)
    if array.size == 1:
        return array.reshape(())
    if -1 not in row and array.size == np.prod(row):
        return array.reshape(row)
    return array.reshape((array.size, *(1,) * (len(row) - 1)))
