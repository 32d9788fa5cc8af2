"""Explanations in the answers of gRPC, by the same parameters as over REST."""

import msgspec

from modelyard_server.explain import answers
from modelyard_server.explain.answers import Predict
from modelyard_server.explain.explainer import Explainer
from modelyard_server.models.served import Served
from modelyard_server.rpc import messages
from modelyard_server.rpc.inference_pb2 import ModelInferRequest, ModelInferResponse


async def answer(
    explainer: Explainer,
    served: Served,
    asked: tuple[ModelInferRequest, messages.Request],
    predict: Predict,
) -> ModelInferResponse:
    """The prediction, and three outputs more, or four. Raises RequestError."""
    message, request = asked
    wish = answers.wish_of({name: messages.parameter(message.parameters, name) for name in message.parameters})
    outputs, found = await answers.both(explainer, served, request.inputs, wish, predict)
    explained = answers.extended(served, outputs, found)
    whole = msgspec.structs.replace(request, outputs=(*request.outputs, *explained.more))
    return messages.respond(explained.signature, (served.name, served.version), whole, explained.arrays)
