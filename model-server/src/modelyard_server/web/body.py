"""Reading a request: the few headers that matter, and a body within its limit."""

import asyncio
import types
from collections.abc import Generator, MutableMapping
from typing import Any

import msgspec

from modelyard_server.batching.jobs import ClientGoneError, Receive
from modelyard_server.errors import BadRequestError, BodyTimeoutError, BodyTooLargeError
from modelyard_server.lifecycle import Lifecycle

Scope = MutableMapping[str, Any]
STALLED_AFTER = 60.0
"""Seconds a client may take to send its body; a slower one holds memory for nothing."""
JSON_BYTES = b"inference-header-content-length"
TIMEOUT = b"x-envoy-expected-rq-timeout-ms"
"""Envoy, and so the gateway, tells in it how long it will wait for this answer; clients may send it as well."""
SILENT_AFTER = 5.0
"""Seconds without a byte of a body after which a draining server waits for it no more."""


class Head(msgspec.Struct, frozen=True):
    """What inference needs from the headers."""

    json_bytes: int | None
    content_length: int | None
    timeout: float | None = None
    """Seconds that the client, or the proxy before us, gives the request."""


def head(scope: Scope, limit: int) -> Head:
    """Parse the headers; refuses a body that announces itself as too large."""
    headers = dict(scope["headers"])
    encoding = headers.get(b"content-encoding")
    if encoding is not None and encoding.lower() != b"identity":
        raise BadRequestError(f"Content-Encoding {encoding.decode('latin-1')} is not supported; send the body as it is")
    length, json_bytes, timeout = headers.get(b"content-length"), headers.get(JSON_BYTES), headers.get(TIMEOUT)
    content_length = None if length is None else _number("Content-Length", length, "bytes")
    if content_length is not None and content_length > limit:
        raise BodyTooLargeError(f"body: {content_length} bytes, at most {limit} are taken")
    return Head(
        None if json_bytes is None else _number("Inference-Header-Content-Length", json_bytes, "bytes"),
        content_length,
        None if timeout is None else _number("X-Envoy-Expected-Rq-Timeout-Ms", timeout, "milliseconds") / 1000,
    )


def _number(name: str, value: bytes, unit: str) -> int:
    if not value.isdigit() or len(value) > 18:
        raise BadRequestError(f"{name}: {value.decode('latin-1')!r} is not a number of {unit}")
    return int(value)


async def read(receive: Receive, limit: int, lifecycle: Lifecycle) -> bytes:
    """The whole body; most arrive in one piece. Raises BodyTimeoutError, BodyTooLargeError or ClientGoneError."""
    deadline = asyncio.get_running_loop().time() + STALLED_AFTER
    message = await _next(receive, deadline, lifecycle)
    if not message.get("more_body", False):
        return _within(message.get("body", b""), limit)
    body = bytearray(message.get("body", b""))
    while message.get("more_body", False):
        message = await _next(receive, deadline, lifecycle)
        body += message.get("body", b"")
        _within(body, limit)
    return bytes(body)


async def _next(receive: Receive, deadline: float, lifecycle: Lifecycle) -> MutableMapping[str, Any]:
    """The next piece. The wait is cut into short ones, to see a drain: it goes on only for bodies that move."""
    loop = asyncio.get_running_loop()
    while True:
        message, rest = _begun(receive())
        try:
            if message is None:
                async with asyncio.timeout_at(min(deadline, loop.time() + SILENT_AFTER)):
                    message = await rest
        except TimeoutError as error:
            if loop.time() >= deadline:
                raise BodyTimeoutError(f"body: not complete after {STALLED_AFTER:g} s") from error
            if lifecycle.ending:
                raise BodyTimeoutError(f"body: nothing came for {SILENT_AFTER:g} s; the server stops") from error
            continue
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        return message


def _begun(waiting: Any) -> tuple[MutableMapping[str, Any] | None, Any]:
    """What is there already, or what to wait for: most bodies come with their headers, and a timer costs them more than
    reading does."""
    try:
        pending = waiting.send(None)
    except StopIteration as done:
        return done.value, None
    return None, _rest(waiting, pending)


@types.coroutine
def _rest(waiting: Any, pending: Any) -> Generator[Any, Any, Any]:
    """A coroutine that was begun, from where it waits first."""
    while True:
        try:
            sent = yield pending
        except BaseException as error:  # noqa: BLE001 (handed on, above all a cancellation)
            resume, value = waiting.throw, error
        else:
            resume, value = waiting.send, sent
        try:
            pending = resume(value)
        except StopIteration as done:
            return done.value


def _within(body: bytes | bytearray, limit: int) -> bytes:
    if len(body) > limit:
        raise BodyTooLargeError(f"body: more than the {limit} bytes that are taken")
    return body  # type: ignore[return-value]
