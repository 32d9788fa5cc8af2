"""A span for each request of inference, tensors and texts."""

from collections.abc import MutableMapping
from typing import Any

from modelyard_server.batching.jobs import Receive
from modelyard_server.tracing import Tracing
from modelyard_server.web.access import model_of
from modelyard_server.web.body import Scope
from modelyard_server.web.inference import NAMED, PASSED, Handler, Send
from modelyard_server.web.openai import PATHS


class Traced:
    """An ASGI app before another one."""

    def __init__(self, app: Handler, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Begin a span, and end it with the answer."""
        if scope["type"] != "http" or scope["method"] != "POST" or not (about := _about(scope["path"])):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        trace = self._tracing.request(headers, *about)
        scope[PASSED], scope[NAMED] = trace.passed, trace.named
        status = 499

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            trace.end(status)


def _about(path: str) -> tuple[str, str] | None:
    """Model and protocol; the model of OpenAI's calls is in their body, and told when it is read."""
    if path in PATHS:
        return "", "openai"
    model = model_of(path)
    return (model, path.split("/")[1]) if model else None
