"""Explanations in the answers of V2 and V1."""

from typing import Any

import msgspec
import numpy as np

from modelyard_server.batching.batcher import Receive
from modelyard_server.errors import BadRequestError
from modelyard_server.explain import gradients, wishes
from modelyard_server.explain.explainer import Explainer, Explanation
from modelyard_server.explain.wishes import Wish
from modelyard_server.models.served import Served
from modelyard_server.package.card import TensorSpec
from modelyard_server.protocol import v1, v2
from modelyard_server.protocol.datatypes import Array
from modelyard_server.protocol.signature import Signature

ATTRIBUTIONS, TARGET, DELTA = "explain_attributions", "explain_target", "explain_delta"
"""Outputs that a V2 answer has besides those of the model."""
PREFIX = "explain_"


async def answer_v2(explainer: Explainer, served: Served, request: v2.Request, receive: Receive) -> v2.Response:
    """The prediction, and three outputs more. Raises RequestError."""
    wish = wishes.parse(request.parameters["explain"], request.parameters, PREFIX)
    outputs, found = await _both(explainer, served, request.inputs, (request.rows, wish), receive)
    row = wishes.input_of(served.signature).shape[1:]
    more = (
        TensorSpec(name=ATTRIBUTIONS, datatype="FP32", shape=(-1, *row)),
        TensorSpec(name=TARGET, datatype="INT64", shape=(-1,)),
        TensorSpec(name=DELTA, datatype="FP32", shape=(-1,)),
    )
    binary = request.outputs[0].binary
    wanted = (*request.outputs, *(v2.OutputRequest(spec.name, binary) for spec in more))
    arrays = {**outputs, ATTRIBUTIONS: found.attributions, TARGET: found.targets, DELTA: found.deltas}
    signature = Signature(served.signature.inputs, (*served.signature.outputs, *more))
    whole = msgspec.structs.replace(request, outputs=wanted)
    return v2.respond(signature, (served.name, served.version), whole, arrays)


async def answer_v1(explainer: Explainer, served: Served, body: bytes, receive: Receive) -> bytes:
    """`{"predictions": [...], "explanations": [...]}`. Raises RequestError."""
    document = v1.document_of(body)
    inputs, rows = v1.inputs_of(served.signature, document)
    fields = document.get("parameters", {})
    if not isinstance(fields, dict):
        raise BadRequestError("parameters: must be an object")
    usual = "integrated_gradients" if gradients.has_gradients(served.model) else "shapley"
    wish = wishes.parse(fields.get("method", usual), fields)
    outputs, found = await _both(explainer, served, inputs, (rows, wish), receive)
    return v1.respond(served.signature, outputs, explanations=[_entry(wish, found, at) for at in range(rows)])


async def _both(
    explainer: Explainer, served: Served, inputs: dict[str, Array], asked: tuple[int, Wish], receive: Receive
) -> tuple[Any, Explanation]:
    """The prediction first: a request that the model refuses is not explained."""
    rows, wish = asked
    wishes.output_of(served.signature)
    wishes.check_cost(wish, rows, wishes.input_of(served.signature))
    outputs = await served.batcher.submit(inputs, rows, receive)
    return outputs, await explainer.explain(served, inputs, wish)


def _entry(wish: Wish, found: Explanation, at: int) -> dict[str, Any]:
    return {
        "method": wish.method,
        "output": found.output,
        "target": int(found.targets[at]),
        "attributions": np.ascontiguousarray(found.attributions[at]),
        "convergence_delta": float(found.deltas[at]),
    }
