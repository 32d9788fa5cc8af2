"""Clients that announce a body and do not send it."""

import asyncio
import socket
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest

from modelyard_server import serving
from modelyard_server.batching.jobs import ClientGoneError
from modelyard_server.errors import BodyTimeoutError, BodyTooLargeError
from modelyard_server.lifecycle import Lifecycle
from modelyard_server.web import body
from unit.server.live import LiveServer

Start = Callable[..., LiveServer]
HEAD = b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"


class Client:
    """The receiving end of a request: silent for some waits, then the pieces one by one."""

    def __init__(self, *pieces: bytes, silences: int = 0, endless: bool = False) -> None:
        self._pieces = list(pieces)
        self._silences = silences
        self._endless = endless

    async def receive(self) -> MutableMapping[str, Any]:
        if self._silences:
            self._silences -= 1
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        if self._endless:
            return {"type": "http.request", "body": b"", "more_body": True}
        if not self._pieces:
            return {"type": "http.disconnect"}
        piece = self._pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}


@pytest.fixture
def serving_state() -> Lifecycle:
    state = Lifecycle()
    state.loaded()
    return state


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "SILENT_AFTER", 0.01)


async def read(client: Client, state: Lifecycle, limit: int = 100) -> bytes:
    async with asyncio.timeout(10):
        return await body.read(client.receive, limit, state)


async def test_pieces_are_joined(serving_state: Lifecycle) -> None:
    assert await read(Client(b"ab", b"", b"c"), serving_state) == b"abc"


async def test_pieces_count_together(serving_state: Lifecycle) -> None:
    with pytest.raises(BodyTooLargeError):
        await read(Client(b"ab", b"c"), serving_state, limit=2)


async def test_a_client_may_leave_before_its_body(serving_state: Lifecycle) -> None:
    with pytest.raises(ClientGoneError):
        await read(Client(), serving_state)


async def test_a_silent_client_may_go_on(serving_state: Lifecycle, impatient: None) -> None:
    assert await read(Client(b"ab", b"c", silences=3), serving_state) == b"abc"


async def test_a_body_that_trickles_has_to_end(serving_state: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "STALLED_AFTER", 0.01)
    with pytest.raises(BodyTimeoutError, match=r"not complete after 0\.01 s"):
        await read(Client(endless=True), serving_state)


async def test_a_drain_waits_for_a_body_that_moves(serving_state: Lifecycle) -> None:
    serving_state.drain()
    assert await read(Client(b"ab", b"c"), serving_state) == b"abc"


async def test_a_drain_does_not_wait_for_a_silent_client(serving_state: Lifecycle, impatient: None) -> None:
    serving_state.drain()
    with pytest.raises(BodyTimeoutError, match="the server stops"):
        await read(Client(b"abc", silences=1), serving_state)


def test_headers_without_a_body_are_408_and_close_the_connection(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "STALLED_AFTER", 0.01)
    server = start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(HEAD)
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in answer.lower()
    assert answer.endswith(b'{"error":"body: not complete after 0.01 s"}')


def test_a_drain_ends_while_a_client_holds_its_body_back(start: Start, impatient: None) -> None:
    server = start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(HEAD + b"{")
        asyncio.run_coroutine_threadsafe(serving.drain(server.service, 3600.0), server.loop).result(10)
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 408")
    assert server.service.inflight == 0


async def test_a_body_that_is_there_already_needs_no_timer(
    serving_state: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"abc"}

    monkeypatch.setattr(asyncio, "timeout_at", None)
    assert await body.read(receive, 100, serving_state) == b"abc"


async def test_a_reader_that_is_cancelled_ends_its_wait(serving_state: Lifecycle) -> None:
    ended = asyncio.Event()

    async def receive() -> MutableMapping[str, Any]:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    reading = asyncio.ensure_future(body.read(receive, 100, serving_state))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert ended.is_set()
