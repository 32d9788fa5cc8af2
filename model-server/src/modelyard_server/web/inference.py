"""One inference request, V2 or V1. Plain ASGI: the framework's own handling would cost more than the model."""

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from modelyard_server.batching.jobs import ClientGoneError, Receive
from modelyard_server.errors import RequestError
from modelyard_server.explain.explainer import Explainer
from modelyard_server.lifecycle import Lifecycle
from modelyard_server.models.served import Served
from modelyard_server.protocol import v1, v2
from modelyard_server.web import body as bodies
from modelyard_server.web import explained
from modelyard_server.web.body import Scope

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Handler = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, bytes]
JSON = (b"content-type", b"application/json")
CLIENT_CLOSED = 499
PASSED, NAMED = "modelyard.passed", "modelyard.named"
"""Where tracing leaves in a scope what wants to be told a request's times, and its model."""
log = logging.getLogger(__name__)


class Inference:
    """The two hot endpoints of one version of one model."""

    def __init__(self, served: Served, lifecycle: Lifecycle, max_body_bytes: int, explainer: Explainer) -> None:
        self._served = served
        self._names = (served.name, served.version)
        self._lifecycle = lifecycle
        self._max_body_bytes = max_body_bytes
        self._decode = v2.decoder(served.signature)
        self._explainer = explainer

    async def v2(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST /v2/models/{name}[/versions/{version}]/infer."""
        await self._answer(self._infer_v2, "v2", scope, (receive, send))

    async def v1(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST /v1/models/{name}:predict."""
        await self._answer(self._predict_v1, "v1", scope, (receive, send))

    async def explain_v1(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST /v1/models/{name}:explain."""
        await self._answer(self._explain_v1, "v1", scope, (receive, send))

    async def _answer(
        self,
        handle: Callable[[Scope, Receive], Awaitable[Answer]],
        protocol: str,
        scope: Scope,
        channel: tuple[Receive, Send],
    ) -> None:
        served, (receive, send) = self._served, channel
        started = time.perf_counter()
        served.inflight += 1
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
            served.inflight -= 1
            served.last_request = time.monotonic()
            served.figures.answered(protocol, code, time.perf_counter() - started)

    async def _infer_v2(self, scope: Scope, receive: Receive) -> Answer:
        served = self._served
        head, content = await self._read(scope, receive)
        request = v2.parse(served.signature, content, head.json_bytes, self._decode)
        if "explain" in request.parameters:
            response = await explained.answer_v2(self._explainer, served, request, receive)
        else:
            timeout = head.timeout if request.timeout is None else sooner(request.timeout, head.timeout)
            outputs = await served.batcher.submit(request.inputs, request.rows, receive, timeout, scope.get(PASSED))
            response = v2.respond(served.signature, self._names, request, outputs)
        if response.json_bytes is None:
            return 200, [JSON], response.body
        size = b"%d" % response.json_bytes
        binary = (b"content-type", b"application/octet-stream")
        return 200, [binary, (b"inference-header-content-length", size)], response.body

    async def _predict_v1(self, scope: Scope, receive: Receive) -> Answer:
        served = self._served
        head, content = await self._read(scope, receive)
        inputs, rows = v1.parse(served.signature, content)
        outputs = await served.batcher.submit(inputs, rows, receive, head.timeout, scope.get(PASSED))
        return 200, [JSON], v1.respond(served.signature, outputs)

    async def _explain_v1(self, scope: Scope, receive: Receive) -> Answer:
        _, content = await self._read(scope, receive)
        return 200, [JSON], await explained.answer_v1(self._explainer, self._served, content, receive)

    async def _read(self, scope: Scope, receive: Receive) -> tuple[bodies.Head, bytes]:
        limit = self._max_body_bytes
        try:
            return bodies.head(scope, limit), await bodies.read(receive, limit, self._lifecycle)
        except RequestError as error:
            if error.status == 413:
                self._served.figures.rejected("too_large")
            raise


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
