"""The outermost ASGI app: an exact path goes straight to inference, everything else to the management app."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from modelyard_server.batching.batcher import Receive
from modelyard_server.service import ModelService
from modelyard_server.web.body import Scope
from modelyard_server.web.inference import Inference, Send

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


class Front:
    """Routes by one dictionary look-up; during a drain every answer asks the client to connect elsewhere."""

    def __init__(self, service: ModelService, inference: Inference, management: Handler) -> None:
        self._service = service
        self._inference = inference
        self._management = management
        self._routes: dict[str, Handler] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if self._service.lifecycle.draining:
            send = closing(send)
        handler = self._hot_route(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        await (handler or self._management)(scope, receive, send)

    def _hot_route(self, path: str) -> Handler | None:
        if not self._routes and self._service.served is not None:
            name, version = self._service.name, self._service.version
            self._routes = {
                f"/v2/models/{name}/infer": self._inference.v2,
                f"/v2/models/{name}/versions/{version}/infer": self._inference.v2,
                f"/v1/models/{name}:predict": self._inference.v1,
            }
        return self._routes.get(path)


def closing(send: Send) -> Send:
    """Add `Connection: close` to the answer."""

    async def send_closing(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = [header for header in message.get("headers", []) if header[0] != b"connection"]
            message = {**message, "headers": [*headers, (b"connection", b"close")]}
        await send(message)

    return send_closing
