"""One inference request, V2 or V1. Plain ASGI: the framework's own handling would cost more than the model."""

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from modelyard_server.batching.batcher import ClientGoneError, Receive
from modelyard_server.errors import RequestError
from modelyard_server.protocol import v1, v2
from modelyard_server.service import ModelService
from modelyard_server.web import body as bodies
from modelyard_server.web.body import Scope

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, bytes]
JSON = (b"content-type", b"application/json")
CLIENT_CLOSED = 499
log = logging.getLogger(__name__)


class Inference:
    """The two hot endpoints of one model."""

    def __init__(self, service: ModelService) -> None:
        self._service = service

    async def v2(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST /v2/models/{name}[/versions/{version}]/infer."""
        await self._answer(self._infer_v2, "v2", scope, (receive, send))

    async def v1(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST /v1/models/{name}:predict."""
        await self._answer(self._predict_v1, "v1", scope, (receive, send))

    async def _answer(
        self,
        handle: Callable[[Scope, Receive], Awaitable[Answer]],
        protocol: str,
        scope: Scope,
        channel: tuple[Receive, Send],
    ) -> None:
        service, (receive, send) = self._service, channel
        started = time.perf_counter()
        service.inflight += 1
        try:
            code, headers, content = await handle(scope, receive)
        except RequestError as error:
            code, headers, content = error_answer(error)
        except ClientGoneError:
            code, headers, content = CLIENT_CLOSED, [], b""
        except Exception:
            log.exception("request failed", extra={"protocol": protocol})
            code, headers, content = (
                500,
                [JSON],
                orjson.dumps({"error": "internal error; the server's log has details"}),
            )
        try:
            if code != CLIENT_CLOSED:
                headers.append((b"content-length", b"%d" % len(content)))
                await send({"type": "http.response.start", "status": code, "headers": headers})
                await send({"type": "http.response.body", "body": content})
        finally:
            service.inflight -= 1
            service.last_request = time.monotonic()
            service.metrics.answered(protocol, code, time.perf_counter() - started)

    async def _infer_v2(self, scope: Scope, receive: Receive) -> Answer:
        service = self._service
        served = service.require_served()
        head = await self._head(scope)
        content = await self._body(receive)
        request = v2.parse(served.signature, content, head.json_bytes)
        timeout = head.timeout if request.timeout is None else sooner(request.timeout, head.timeout)
        outputs = await service.infer(request.inputs, request.rows, receive, timeout)
        response = v2.respond(served.signature, (service.name, service.version), request, outputs)
        if response.json_bytes is None:
            return 200, [JSON], response.body
        size = b"%d" % response.json_bytes
        binary = (b"content-type", b"application/octet-stream")
        return 200, [binary, (b"inference-header-content-length", size)], response.body

    async def _predict_v1(self, scope: Scope, receive: Receive) -> Answer:
        service = self._service
        served = service.require_served()
        head = await self._head(scope)
        inputs, rows = v1.parse(served.signature, await self._body(receive))
        outputs = await service.infer(inputs, rows, receive, head.timeout)
        return 200, [JSON], v1.respond(served.signature, outputs)

    async def _head(self, scope: Scope) -> bodies.Head:
        try:
            return bodies.head(scope, self._service.settings.max_body_bytes)
        except RequestError as error:
            self._count_too_large(error)
            raise

    async def _body(self, receive: Receive) -> bytes:
        try:
            return await bodies.read(receive, self._service.settings.max_body_bytes, self._service.lifecycle)
        except RequestError as error:
            self._count_too_large(error)
            raise

    def _count_too_large(self, error: RequestError) -> None:
        if error.status == 413:
            self._service.metrics.rejected("too_large")


def sooner(one: float, other: float | None) -> float:
    """The smaller of two limits, of which the second may be absent."""
    return one if other is None else min(one, other)


def error_answer(error: RequestError) -> Answer:
    """Status, headers and `{"error": ...}`. An unread body makes the connection useless, so it is closed then."""
    headers: Headers = [JSON]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after))
    if error.status in {408, 413}:
        headers.append((b"connection", b"close"))
    return error.status, headers, orjson.dumps({"error": str(error)})
