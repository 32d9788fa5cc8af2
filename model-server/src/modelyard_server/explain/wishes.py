"""What a request may ask for, and what it may cost. Pure."""

from collections.abc import Mapping
from math import isfinite, prod
from typing import Any, Literal, cast, get_args

import msgspec
import numpy as np

from modelyard_server.errors import BadRequestError
from modelyard_server.package.card import TensorSpec
from modelyard_server.protocol.datatypes import NUMPY, Array
from modelyard_server.protocol.signature import Signature

Method = Literal["integrated_gradients", "occlusion", "shapley"]
MAX_EVALUATIONS = 65_536
"""Rows that one explanation may send through the model: some seconds of a small model."""
MAX_STEPS = 500
PREFERRED = ("scores", "probabilities")
"""Outputs of a classifier that are explained, the first that the model has."""


class Wish(msgspec.Struct, frozen=True):
    """One request's explanation."""

    method: Method
    target: int | None = None
    """Column of the output; each row's highest one when None."""
    baseline: tuple[float, ...] | None = None
    """What features are replaced with, in the units of the request: one number for all, or one for each; 0 when None.
    Of a text the one token that stands in the place of all, its model's padding when None."""
    steps: int = 50
    """Of integrated gradients."""
    samples: int = 20
    """Orders of the features that Shapley sampling looks at, for each row."""
    seed: int = 0


def parse(method: object, fields: Mapping[str, Any], prefix: str = "") -> Wish:
    """Check what a client has sent; `prefix` stands before each name in the message. Raises BadRequestError."""
    if method not in get_args(Method):
        raise BadRequestError(f"{prefix or 'method '}{method!r}: expected one of {', '.join(get_args(Method))}")
    target = fields.get(f"{prefix}target")
    return Wish(
        method=cast("Method", method),
        target=None if target is None else _whole(fields, f"{prefix}target", 0, (0, 1 << 31)),
        baseline=_numbers(f"{prefix}baseline", fields.get(f"{prefix}baseline")),
        steps=_whole(fields, f"{prefix}steps", 50, (2, MAX_STEPS)),
        samples=_whole(fields, f"{prefix}samples", 20, (2, MAX_EVALUATIONS)),
        seed=_whole(fields, f"{prefix}seed", 0, (0, 1 << 63)),
    )


def _numbers(name: str, value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    values = value if isinstance(value, list) and value else [value]
    if any(isinstance(one, bool) or not isinstance(one, int | float) or not isfinite(one) for one in values):
        raise BadRequestError(f"{name}: must be a number, or one for each feature")
    return tuple(float(one) for one in values)


def baseline_of(wish: Wish, row: Array) -> Array:
    """The baseline as a row [features] of the same kind. Raises BadRequestError."""
    baseline = wish.baseline or (0.0,)
    if len(baseline) not in (1, row.size):
        raise BadRequestError(f"explain: baseline has {len(baseline)} numbers, a row has {row.size} features")
    return np.resize(np.array(baseline), row.size).astype(row.dtype)


def token_of(wish: Wish, usual: int, vocabulary: int) -> int:
    """The token of the baseline of a text. Raises BadRequestError."""
    if wish.baseline is None:
        return usual
    token = wish.baseline[0]
    if len(wish.baseline) != 1 or token != int(token) or not 0 <= token < vocabulary:
        raise BadRequestError(f"explain: baseline: must be one token of the model, a number from 0 to {vocabulary - 1}")
    return int(token)


def _whole(fields: Mapping[str, Any], name: str, default: int, bounds: tuple[int, int]) -> int:
    value = fields.get(name, default)
    if type(value) is not int or not bounds[0] <= value <= bounds[1]:
        raise BadRequestError(f"{name}: must be a whole number from {bounds[0]} to {bounds[1]}")
    return value


def input_of(signature: Signature) -> TensorSpec:
    """The input to explain: the only one, of numbers, of fixed row size. Raises BadRequestError."""
    spec = signature.inputs[0]
    if len(signature.inputs) != 1 or spec.datatype == "BYTES" or -1 in spec.shape[1:] or len(spec.shape) < 2:
        what = "one input of numbers whose rows have a fixed size, or a torch network over tokens"
        raise BadRequestError(f"explain: needs a model with {what}")
    return spec


def output_of(signature: Signature) -> TensorSpec:
    """The output to explain. Raises BadRequestError when the model gives labels alone."""
    numbers = [spec for spec in signature.outputs if NUMPY[spec.datatype].kind == "f"]
    preferred = [spec for name in PREFERRED for spec in numbers if spec.name == name]
    for spec in (*preferred, *numbers):
        if len(spec.shape) <= 2:
            return spec
    raise BadRequestError("explain: the model gives no scores, probabilities or values that could be explained")


def check_cost(wish: Wish, rows: int, spec: TensorSpec) -> None:
    """Refuse what would hold the model for too long; says what would fit. Raises BadRequestError."""
    features = prod(spec.shape[1:])
    each = {
        "integrated_gradients": wish.steps,
        "occlusion": features + 1,
        "shapley": wish.samples * (features + 1),
    }[wish.method]
    if rows * each > MAX_EVALUATIONS:
        message = f"explain: {rows} rows with {features} features need {rows * each} evaluations of the model"
        raise BadRequestError(f"{message}, allowed are {MAX_EVALUATIONS}; send fewer rows, or ask for fewer samples")


def check_text(wish: Wish) -> None:
    """A text has gradients only. Raises BadRequestError."""
    if wish.method != "integrated_gradients":
        raise BadRequestError(f"explain: {wish.method} is for numbers; ask for integrated_gradients of a text")


def check_tokens(wish: Wish, tokens: int) -> None:
    """As `check_cost`, for so many tokens of all rows. Raises BadRequestError."""
    if tokens * wish.steps > MAX_EVALUATIONS:
        message = f"explain: {tokens} tokens at {wish.steps} steps are {tokens * wish.steps} evaluations of a token"
        raise BadRequestError(f"{message}, allowed are {MAX_EVALUATIONS}; send less text, or ask for fewer steps")


def columns(values: Array) -> Array:
    """Values of an output as [rows, columns]."""
    return values.reshape((len(values), -1))


def targets(wish: Wish, values: Array) -> Array:
    """The column to explain for each row of [rows, columns]. Raises BadRequestError."""
    if wish.target is None:
        return np.asarray(values.argmax(axis=1), np.int64)
    if wish.target >= values.shape[1]:
        raise BadRequestError(f"explain: target {wish.target}: the output has {values.shape[1]} columns, from 0")
    return np.full((len(values),), wish.target, np.int64)
