"""Health and metrics, plain ASGI: what kubelet and Prometheus ask for, long before anybody asks for more."""

from collections.abc import Mapping

import orjson

from modelyard_server.batching.jobs import Receive
from modelyard_server.service import ModelService
from modelyard_server.web.body import Scope
from modelyard_server.web.inference import JSON, Handler, Headers, Send

TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


class Health:
    """Three routes."""

    def __init__(self, service: ModelService) -> None:
        self._service = service

    def routes(self) -> Mapping[str, Handler]:
        """Handlers of GET by path."""
        return {"/v2/health/live": self._live, "/v2/health/ready": self._ready, "/metrics": self._metrics}

    async def _live(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        live = self._service.live
        await _answer(send, 200 if live else 503, [JSON], orjson.dumps({"live": live}))

    async def _ready(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        ready = self._service.ready
        await _answer(send, 200 if ready else 503, [JSON], orjson.dumps({"ready": ready}))

    async def _metrics(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await _answer(send, 200, [TEXT], self._service.metrics.render())


async def _answer(send: Send, code: int, headers: Headers, content: bytes) -> None:
    length = (b"content-length", b"%d" % len(content))
    await send({"type": "http.response.start", "status": code, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": content})
