"""A network of its own for Envoy, the pods behind it and their clients.

An EndpointSlice may not hold loopback addresses, and nothing else is ours to send to; so the pods' addresses are on the
loopback interface of a network namespace that the test made. Files and Unix sockets are shared with the test as ever.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class Network:
    """A network namespace."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._path = Path("/run/netns") / name

    def command(self, *arguments: str) -> list[str]:
        """A command that runs in it."""
        return ["ip", "netns", "exec", self.name, *arguments]

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that this thread makes belong to it."""
        with Path("/proc/thread-self/ns/net").open() as outside, self._path.open() as own:
            _enter(own.fileno())
            try:
                yield
            finally:
                _enter(outside.fileno())

    def connect(self, address: tuple[str, int], timeout: float = 10.0) -> socket.socket:
        """A connection within it."""
        with self.inside():
            return socket.create_connection(address, timeout)

    def listen(self, address: tuple[str, int]) -> socket.socket:
        """A listening socket within it."""
        with self.inside():
            return socket.create_server(address)


@contextmanager
def network(addresses: Sequence[str]) -> Iterator[Network]:
    """A namespace with these addresses, and nothing else, reachable."""
    name = f"modelyard-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    found = Network(name)
    try:
        subprocess.run(found.command("ip", "link", "set", "lo", "up"), check=True)
        for one in addresses:
            subprocess.run(found.command("ip", "address", "add", f"{one}/32", "dev", "lo"), check=True)
        yield found
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def _enter(number: int) -> None:
    if _LIBC.setns(number, _NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns: these tests need root")
