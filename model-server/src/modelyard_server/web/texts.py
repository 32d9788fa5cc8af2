"""Answers that are generated: the whole one, or events while it grows. How they look is their protocol's matter."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

import msgspec
import orjson

from modelyard_server.batching.jobs import ClientGoneError, Receive
from modelyard_server.errors import InferenceError, RequestError
from modelyard_server.generation.disconnect import watched
from modelyard_server.generation.generation import Generation
from modelyard_server.generation.requests import Piece
from modelyard_server.models.served import Served
from modelyard_server.passages import Passed
from modelyard_server.web.inference import CLIENT_CLOSED, JSON, NAMED, Headers, Send

Document = dict[str, Any]
EVENTS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
log = logging.getLogger(__name__)


class Reply(Protocol):
    """What one request sends back."""

    def whole(self, pieces: Sequence[Sequence[Piece]]) -> Document: ...
    def begin(self) -> list[Document]: ...
    def chunks(self, number: int, piece: Piece) -> list[Document]: ...
    def end(self) -> list[Document]: ...


class Exchange(msgspec.Struct, frozen=True):
    """A request whose answers are queued."""

    served: Served
    generations: Sequence[Generation]
    reply: Reply
    stream: bool
    last: bytes = b""
    """What ends a stream."""
    passed: Passed | None = None
    """Is told how each answer went."""


class Failures(Protocol):
    """How a protocol shows an error: status and document."""

    def status(self, error: RequestError) -> int: ...
    def document(self, error: RequestError) -> Document: ...


async def respond(exchange: Exchange, receive: Receive, send: Send, failures: Failures) -> int:
    """Send the answer; returns the status. Raises RequestError before anything was sent, and ClientGoneError."""
    try:
        if exchange.stream:
            return await watched(_stream(exchange, send, failures), receive)
        pieces = await watched(_all(exchange.generations), receive)
    finally:
        if (generator := exchange.served.generator) is not None:
            generator.leave(exchange.generations, exchange.passed)
    content = orjson.dumps(exchange.reply.whole(pieces), option=orjson.OPT_SERIALIZE_NUMPY)
    await send_body(send, 200, [JSON], content)
    return 200


async def send_body(send: Send, code: int, headers: Headers, content: bytes) -> None:
    """One answer in one piece."""
    length = (b"content-length", b"%d" % len(content))
    await send({"type": "http.response.start", "status": code, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": content})


async def _all(generations: Sequence[Generation]) -> list[list[Piece]]:
    return [[piece async for piece in generation.pieces()] for generation in generations]


async def _stream(exchange: Exchange, send: Send, failures: Failures) -> int:
    """Events as they come. The status waits for the first of them, so that a refusal is still one."""
    pieces = _merged(exchange.generations)
    first = await anext(pieces)
    await send({"type": "http.response.start", "status": 200, "headers": list(EVENTS)})
    reply = exchange.reply
    last = exchange.last
    try:
        await _events(send, [*reply.begin(), *reply.chunks(*first)])
        async for number, piece in pieces:
            await _events(send, reply.chunks(number, piece))
        await _events(send, reply.end())
    except RequestError as error:
        await _events(send, [failures.document(error)])
        last = b""
    await send({"type": "http.response.body", "body": last})
    return 200


async def _events(send: Send, documents: Sequence[Document]) -> None:
    if documents:
        body = b"".join(b"data: %b\n\n" % orjson.dumps(document) for document in documents)
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def _merged(generations: Sequence[Generation]) -> AsyncIterator[tuple[int, Piece]]:
    """Pieces of all answers as they come, with the number of their answer. Raises RequestError."""
    if len(generations) == 1:
        async for piece in generations[0].pieces():
            yield 0, piece
        return
    queue: asyncio.Queue[tuple[int, Piece | RequestError]] = asyncio.Queue()

    async def pump(number: int, generation: Generation) -> None:
        try:
            async for piece in generation.pieces():
                queue.put_nowait((number, piece))
        except RequestError as error:
            queue.put_nowait((number, error))

    tasks = [asyncio.ensure_future(pump(number, one)) for number, one in enumerate(generations)]
    try:
        open_ = len(tasks)
        while open_:
            number, found = await queue.get()
            if isinstance(found, RequestError):
                raise found
            open_ -= found.finish is not None
            yield number, found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Account:
    """Counts one request: inside while it lasts, answered when it ends. `served` is known once its model is."""

    def __init__(self, protocol: str, named: Callable[[str], None] | None) -> None:
        self._protocol = protocol
        self._named = named
        self._started = time.perf_counter()
        self._served: Served | None = None

    def enter(self, served: Served) -> None:
        """The request has found its model."""
        self._served = served
        served.inflight += 1
        if self._named is not None:
            self._named(served.name)

    def leave(self, code: int) -> None:
        """The request is done."""
        if (served := self._served) is not None:
            served.inflight -= 1
            served.last_request = time.monotonic()
            served.figures.answered(self._protocol, code, time.perf_counter() - self._started)


def guarded(
    protocol: str, failures: Failures, handle: Callable[[Any, Receive, Send, Account], Any]
) -> Callable[[Any, Receive, Send], Any]:
    """An ASGI handler of `handle`: errors become the protocol's own, and the request is counted."""

    async def handler(scope: Any, receive: Receive, send: Send) -> None:
        account = Account(protocol, scope.get(NAMED))
        code = 500
        try:
            code = await handle(scope, receive, send, account)
        except RequestError as error:
            code = failures.status(error)
            await _refuse(send, code, error, failures)
        except ClientGoneError:
            code = CLIENT_CLOSED
        except Exception:
            log.exception("request failed", extra={"protocol": protocol})
            await _refuse(send, 500, InferenceError("internal error; the server's log has details"), failures)
        finally:
            account.leave(code)

    return handler


async def _refuse(send: Send, code: int, error: RequestError, failures: Failures) -> None:
    headers: Headers = [JSON]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after))
    if error.status in {408, 413}:
        headers.append((b"connection", b"close"))
    await send_body(send, code, headers, orjson.dumps(failures.document(error)))
