"""A prediction together with its explanation, as further outputs: the same for REST and gRPC."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from modelyard_server.batching.execution import Arrays
from modelyard_server.explain import wishes
from modelyard_server.explain.explainer import Explainer, Explanation
from modelyard_server.explain.wishes import Wish
from modelyard_server.models.served import Served
from modelyard_server.package.card import TensorSpec
from modelyard_server.protocol.datatypes import Array
from modelyard_server.protocol.signature import Signature

ATTRIBUTIONS, TARGET, DELTA, TOKENS = "explain_attributions", "explain_target", "explain_delta", "explain_tokens"
"""Outputs that a V2 answer has besides those of the model; the last one for texts."""
PREFIX = "explain_"
Predict = Callable[[], Awaitable[Arrays]]


class Explained(msgspec.Struct, frozen=True):
    """Outputs with those of the explanation, and the signature that describes them all."""

    signature: Signature
    arrays: Mapping[str, Array]
    more: tuple[str, ...]


def wish_of(parameters: Mapping[str, Any]) -> Wish:
    """What the parameters of a V2 request ask for. Raises BadRequestError."""
    return wishes.parse(parameters["explain"], parameters, PREFIX)


async def both(
    explainer: Explainer, served: Served, inputs: dict[str, Array], wish: Wish, predict: Predict
) -> tuple[Arrays, Explanation]:
    """The prediction first: a request that the model refuses is not explained. Raises RequestError."""
    explainer.check(served, inputs, wish)
    outputs = await predict()
    return outputs, await explainer.explain(served, inputs, wish)


def extended(served: Served, outputs: Arrays, found: Explanation) -> Explained:
    """The outputs, and three or four more."""
    row = served.signature.inputs[0].shape[1:] if found.tokens is None else (-1,)
    more = {
        TensorSpec(name=ATTRIBUTIONS, datatype="FP32", shape=(-1, *row)): found.attributions,
        TensorSpec(name=TARGET, datatype="INT64", shape=(-1,)): found.targets,
        TensorSpec(name=DELTA, datatype="FP32", shape=(-1,)): found.deltas,
    }
    if found.tokens is not None:
        more[TensorSpec(name=TOKENS, datatype="BYTES", shape=(-1, -1))] = found.tokens
    signature = Signature(served.signature.inputs, (*served.signature.outputs, *more))
    arrays = {**outputs, **{spec.name: array for spec, array in more.items()}}
    return Explained(signature, arrays, tuple(spec.name for spec in more))
