"""The outermost ASGI app: an exact path goes straight to inference or health, everything else to the management app."""

from collections.abc import MutableMapping
from typing import Any

from modelyard_server.batching.jobs import Receive
from modelyard_server.models.states import Routes
from modelyard_server.service import ModelService
from modelyard_server.web.body import Scope
from modelyard_server.web.generate import Generate
from modelyard_server.web.health import Health
from modelyard_server.web.inference import Handler, Inference, Send
from modelyard_server.web.openai import OpenAi


class Front:
    """Routes by one dictionary look-up; during a drain every answer asks the client to connect elsewhere."""

    def __init__(self, service: ModelService, management: Handler) -> None:
        self._lifecycle = service.lifecycle
        self._max_body_bytes = service.settings.max_body_bytes
        self._management = management
        self._max_answer_tokens = service.settings.max_answer_tokens
        self._openai = OpenAi(service).routes()
        self._explainer = service.explainer
        self._routes: dict[str, Handler] = {}
        self._plain = Health(service).routes()
        service.models.listen(self._changed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if self._lifecycle.draining:
            send = closing(send)
        handler = None
        if scope["type"] == "http":
            method = scope["method"]
            routes = self._routes if method == "POST" else self._plain if method == "GET" else {}
            handler = routes.get(scope["path"])
        await (handler or self._management)(scope, receive, send)

    def _changed(self, routes: Routes) -> None:
        """Paths for what serves now; a request that has begun keeps the model that it found."""
        paths: dict[str, Handler] = dict(self._openai)
        for (name, version), served in routes.items():
            inference = Inference(served, self._lifecycle, self._max_body_bytes, self._explainer)
            place = f"/v2/models/{name}/versions/{version}" if version else f"/v2/models/{name}"
            if served.generator is not None:
                generate = Generate(served, self._lifecycle, (self._max_body_bytes, self._max_answer_tokens))
                paths |= generate.routes(place)
            if version:
                paths[f"{place}/infer"] = inference.v2
            else:
                paths[f"{place}/infer"] = inference.v2
                paths[f"/v1/models/{name}:predict"] = inference.v1
                paths[f"/v1/models/{name}:explain"] = inference.explain_v1
        self._routes = paths


def closing(send: Send) -> Send:
    """Add `Connection: close` to the answer."""

    async def send_closing(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = [header for header in message.get("headers", []) if header[0] != b"connection"]
            message = {**message, "headers": [*headers, (b"connection", b"close")]}
        await send(message)

    return send_closing
