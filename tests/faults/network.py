"""Connections between machines, in memory: bytes arrive after a while, never, or only some of them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from .virtual import VirtualLoop

HIGH_WATER = 256 * 1024
# More than any time limit of a client: a connection to a partitioned server is not refused, it just never comes about.
NEVER = 10**9


class End(asyncio.Transport):
    """One end of a connection: what its protocol writes arrives at the other end."""

    def __init__(self, loop: VirtualLoop, client: str) -> None:
        super().__init__()
        self.loop = loop
        self.client = client
        self.peer: End | None = None
        self.protocol: Any = None
        self.latency = 0.0
        self.held = False  # nothing arrives, nothing is lost: as long as a partition lasts
        self.deaf = False  # nothing arrives any more
        self.limit: int | None = None  # bytes until the connection breaks
        self._inbox: deque[tuple[float, bytes | None]] = deque()
        self._waiting = 0
        self._paused = False
        self._scheduled = False
        self._closing = False
        self._lost = False
        self._full = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Who the client is; there is neither a socket nor TLS."""
        return self.client if name == "client" else default

    def is_closing(self) -> bool:
        """Whether it was closed from this side, or is gone."""
        return self._closing or self._lost

    def set_protocol(self, protocol: Any) -> None:
        """Another protocol takes over."""
        self.protocol = protocol

    def get_protocol(self) -> Any:
        """Whom arriving bytes are given to."""
        return self.protocol

    def get_write_buffer_size(self) -> int:
        """Bytes that have not arrived yet."""
        return self.peer._waiting if self.peer else 0

    def pause_reading(self) -> None:
        """Give the protocol nothing for now."""
        self._paused = True

    def resume_reading(self) -> None:
        """Go on."""
        self._paused = False
        self._wake()

    def is_reading(self) -> bool:
        """Whether the protocol takes bytes."""
        return not self._paused and not self._closing

    def write(self, data: Any) -> None:
        """Send; what is sent on a broken connection is lost, as with TCP."""
        if self.is_closing() or self.peer is None:
            return
        self.peer._arrive(bytes(data))
        if self.peer._waiting > HIGH_WATER and not self._full:
            self._full = True
            self.protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Send all at once."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Half a connection is not offered."""
        return False

    def close(self) -> None:
        """End the connection once what was sent has arrived; in a partition that is never."""
        if not self.is_closing():
            self._closing = True
            if self.peer is not None:
                if self.peer.held:
                    self.peer._inbox.clear()
                self.peer._arrive(None)
            self.loop.call_soon(self.lose, None)

    def abort(self) -> None:
        """End the connection now; the other end learns it as a reset."""
        if not self.is_closing():
            self._closing = True
            broken(self)

    def break_after(self, count: int) -> None:
        """Break the connection once the other end has got so many bytes."""
        assert self.peer is not None
        self.peer.limit = count

    def lose(self, error: Exception | None) -> None:
        """Tell the protocol that the connection is gone."""
        if not self._lost:
            self._lost = self._closing = True
            self._inbox.clear()
            self.protocol.connection_lost(error)

    def _arrive(self, data: bytes | None) -> None:
        if self._lost:
            return
        before = self._inbox[-1][0] if self._inbox else 0.0
        self._inbox.append((max(before, self.loop.time() + self.latency), data))
        self._waiting += len(data or b"")
        self._wake()

    def _wake(self) -> None:
        if self._scheduled or not self._inbox or self._paused or self.held or self.deaf or self._lost:
            return
        self._scheduled = True
        when = self._inbox[0][0]
        if when <= self.loop.time():
            self.loop.call_soon(self._deliver)
        else:
            self.loop.call_at(when, self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        now = self.loop.time()
        while self._inbox and self._inbox[0][0] <= now and not self._blocked():
            data = self._inbox.popleft()[1]
            if data is None:
                self.lose(None)
                return
            self._waiting -= len(data)
            self._give(data)
        if self.peer is not None and self.peer._full and self._waiting < HIGH_WATER // 4:
            self.peer._full = False
            self.peer.loop.call_soon(self.peer.protocol.resume_writing)
        self._wake()

    def _blocked(self) -> bool:
        return self._paused or self.held or self.deaf or self._lost

    def _give(self, data: bytes) -> None:
        if self.limit is None or len(data) < self.limit:
            self.limit = None if self.limit is None else self.limit - len(data)
            self.protocol.data_received(data)
            return
        if self.limit:
            self.protocol.data_received(data[: self.limit])
        broken(self)


def broken(end: End) -> None:
    """Break a connection: both ends learn it as a reset."""
    for one in (end, end.peer):
        if one is not None:
            one.loop.call_soon(one.lose, ConnectionResetError(104, "Connection reset by peer"))


class Wires:
    """All connections to one server."""

    def __init__(self, server: VirtualLoop) -> None:
        self._server = server
        self.accept: Callable[[], Any] | None = None
        self.latency: Callable[[str], float] = lambda _client: 0.0
        self.refuse: Callable[[str], bool] = lambda _client: False
        self._ends: dict[str, list[End]] = {}
        self._apart: set[str] = set()

    def plug(self, loop: VirtualLoop) -> None:
        """Connect a machine to the network."""
        loop.network = self

    async def connect(self, loop: VirtualLoop, factory: Callable[[], Any]) -> tuple[End, Any]:
        """A new connection of a machine to the server."""
        if loop.name in self._apart:
            await asyncio.sleep(NEVER)
        if self.refuse(loop.name) or self.accept is None:
            raise ConnectionRefusedError(111, "Connection refused")
        near, far = End(loop, loop.name), End(self._server, loop.name)
        near.peer, far.peer = far, near
        near.protocol, far.protocol = factory(), self.accept()
        near.latency = far.latency = self.latency(loop.name)
        held = self._ends.setdefault(loop.name, [])
        held[:] = [one for one in held if not one._lost]
        held.append(near)
        self._server.call_soon(far.protocol.connection_made, far)
        near.protocol.connection_made(near)
        return near, near.protocol

    def connections(self, client: str) -> list[End]:
        """The client's ends of its connections that are open."""
        return [one for one in self._ends.get(client, []) if not one._lost]

    def vanish(self, client: str) -> None:
        """The client died without a word: its kernel resets what it had open, nothing that it sends arrives."""
        for near in self.connections(client):
            assert near.peer is not None
            near.deaf = True
            near.peer.deaf = True
            near.peer.loop.call_soon(near.peer.lose, ConnectionResetError(104, "Connection reset by peer"))
        self._ends.pop(client, None)

    def part(self, client: str) -> None:
        """Begin a partition: nothing arrives, neither way. What was given up meanwhile is lost, the rest comes late."""
        self._apart.add(client)
        for near in self.connections(client):
            for end in (near, near.peer):
                assert end is not None
                end.held = True

    def heal(self, client: str) -> None:
        """End the partition."""
        self._apart.discard(client)
        for near in self.connections(client):
            for end in (near, near.peer):
                assert end is not None
                end.held = False
                end._wake()
