"""Explanations in the answers of V2 and V1."""

from typing import Any

import msgspec
import numpy as np

from modelyard_server.batching.jobs import Receive
from modelyard_server.errors import BadRequestError
from modelyard_server.explain import answers, gradients, text, wishes
from modelyard_server.explain.explainer import Explainer, Explanation
from modelyard_server.explain.wishes import Wish
from modelyard_server.models.served import Served
from modelyard_server.protocol import v1, v2


async def answer_v2(explainer: Explainer, served: Served, request: v2.Request, receive: Receive) -> v2.Response:
    """The prediction, and three outputs more, or four. Raises RequestError."""
    wish = answers.wish_of(request.parameters)
    outputs, found = await answers.both(
        explainer, served, request.inputs, wish, lambda: served.batcher.submit(request.inputs, request.rows, receive)
    )
    explained = answers.extended(served, outputs, found)
    binary = request.outputs[0].binary
    wanted = (*request.outputs, *(v2.OutputRequest(name, binary) for name in explained.more))
    whole = msgspec.structs.replace(request, outputs=wanted)
    return v2.respond(explained.signature, (served.name, served.version), whole, explained.arrays)


async def answer_v1(explainer: Explainer, served: Served, body: bytes, receive: Receive) -> bytes:
    """`{"predictions": [...], "explanations": [...]}`. Raises RequestError."""
    document = v1.document_of(body)
    inputs, rows = v1.inputs_of(served.signature, document)
    fields = document.get("parameters", {})
    if not isinstance(fields, dict):
        raise BadRequestError("parameters: must be an object")
    differentiable = gradients.has_gradients(served.model) or text.has_embeddings(served.model)
    usual = "integrated_gradients" if differentiable else "shapley"
    wish = wishes.parse(fields.get("method", usual), fields)
    outputs, found = await answers.both(
        explainer, served, inputs, wish, lambda: served.batcher.submit(inputs, rows, receive)
    )
    return v1.respond(served.signature, outputs, explanations=[_entry(wish, found, at) for at in range(rows)])


def _entry(wish: Wish, found: Explanation, at: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"method": wish.method, "output": found.output, "target": int(found.targets[at])}
    attributions = found.attributions[at]
    if found.tokens is not None:
        names = [name.decode() for name in found.tokens[at] if name]
        entry["tokens"], attributions = names, attributions[: len(names)]
    entry["attributions"] = np.ascontiguousarray(attributions)
    entry["convergence_delta"] = float(found.deltas[at])
    return entry
