"""Who listens where, read from /proc: no tool needed."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

_LISTEN = "0A"


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket; `inode` leads to its process."""

    address: str
    port: int
    inode: str


def parse_listeners(text: str) -> list[Listener]:
    """Read the listening sockets from /proc/net/tcp or tcp6."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTEN:
            address, port = fields[1].split(":")
            found.append(Listener(_parse_address(address), int(port, 16), fields[9]))
    return found


def _parse_address(text: str) -> str:
    """Read an address that the kernel prints as little-endian 32-bit words."""
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def listeners() -> list[Listener]:
    """Return every listening TCP socket of this machine."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    return [listener for table in tables if table.exists() for listener in parse_listeners(table.read_text())]


def conflicts(address: str, port: int, present: list[Listener]) -> list[Listener]:
    """Return the listeners that keep `address:port` from being bound."""
    wildcards = ("0.0.0.0", "::")  # noqa: S104  # compared with, not bound
    return [one for one in present if one.port == port and one.address in (address, *wildcards)]


def holder(inode: str) -> str:
    """Return `name (pid N)` of the process that holds a socket."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target == f"socket:[{inode}]":
            pid = link.parts[2]
            return f"{Path('/proc', pid, 'comm').read_text().strip()} (pid {pid})"
    return "a process of another user or namespace"


def free_ports(count: int) -> list[int]:
    """Return TCP ports that are free on 127.0.0.1 at this moment, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def answers(port: int, path: str, *, tls: bool = False) -> bool:
    """Return whether 127.0.0.1:port answers `GET path` with 200.

    The certificates of these health checks are made by each program for itself, so there is nothing to check.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    if tls:
        context = ssl._create_unverified_context()  # noqa: S323, SLF001
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=context)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def accepts(path: Path) -> bool:
    """Return whether something accepts connections on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(2)
        try:
            one.connect(str(path))
        except OSError:
            return False
    return True
