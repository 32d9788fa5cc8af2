"""Asks for the key before anything is read. Health and metrics stay open: kubelet and Prometheus have none."""

from typing import Any

import orjson

from modelyard_server.batching.jobs import Receive
from modelyard_server.keys import Keys
from modelyard_server.web.body import Scope
from modelyard_server.web.inference import JSON, Handler, Headers, Send

OPEN = frozenset({"/v2/health/live", "/v2/health/ready", "/metrics"})
REFUSED = orjson.dumps({"error": "the key is missing or wrong; send Authorization: Bearer KEY"})


class Guard:
    """An ASGI app before another one."""

    def __init__(self, app: Handler, keys: Keys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is open or has the key; 401 for the rest."""
        if scope["type"] != "http" or scope["path"] in OPEN or self._fits(scope):
            await self._app(scope, receive, send)
            return
        length = (b"content-length", b"%d" % len(REFUSED))
        headers: Headers = [JSON, length, (b"www-authenticate", b"Bearer"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": REFUSED})

    def _fits(self, scope: Scope) -> bool:
        headers: dict[bytes, Any] = dict(scope["headers"])
        shown = (headers.get(name, b"").decode("latin-1") for name in (b"authorization", b"x-api-key"))
        return self._keys.fit(*shown)
