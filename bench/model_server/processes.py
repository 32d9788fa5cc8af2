"""A running server: ready, CPU and memory of all its processes, the end."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.model_server.bodies import Body
from bench.model_server.peers import Ports, Start

TICKS = os.sysconf("SC_CLK_TCK")
MARK = "BENCH_RUN"
READY_WITHIN = 90.0
END_WITHIN = 30.0


@dataclass(frozen=True)
class Server:
    """A server that takes requests."""

    port: int
    process: subprocess.Popen[bytes]
    ready_seconds: float

    @property
    def pids(self) -> list[int]:
        """Its processes, orphans as well: they are known by a variable that children inherit."""
        mark = _mark(self.port)
        return [int(one.name) for one in Path("/proc").glob("[0-9]*") if mark in _environment(one)]

    def cpu(self) -> float:
        """Seconds of all processes that are there now."""
        return sum(_cpu(pid) for pid in self.pids)

    def memory(self) -> float:
        """Megabytes: what the processes share is counted once, as each one's share of it."""
        return sum(_memory(pid) for pid in self.pids) / 1024


def free_ports() -> Ports:
    """Three ports that nobody has."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    found = [one.getsockname()[1] for one in probes]
    for one in probes:
        one.close()
    return Ports(found[0], (found[1], found[2]))


@contextmanager
def running(start: Start, programs: Path, port: int, ready: str, log: Path) -> Iterator[Server]:
    """Start, wait until it is ready, and end whatever is left of it."""
    command = [part.format(bin=programs) for part in start.command]
    began = time.monotonic()
    environment = {**os.environ, **start.environment, MARK: str(port)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=start.folder, env=environment, stdout=out, stderr=out, start_new_session=True
        )
    server = Server(port, process, 0)
    try:
        while not _is_ready(port, ready):
            if process.poll() is not None or time.monotonic() - began > READY_WITHIN:
                raise RuntimeError(f"{command[0]} did not become ready: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        yield Server(port, process, time.monotonic() - began)
    finally:
        _end(server)


def _end(server: Server) -> None:
    """Ask, then insist; a parent that leaves its children behind is not the end."""
    for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        for pid in server.pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + patience
        while server.pids and time.monotonic() < deadline:
            server.process.poll()
            time.sleep(0.05)
    server.process.wait()


def _is_ready(port: int, path: str) -> bool:
    try:
        return ask(port, "GET", path)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def ask(port: int, method: str, path: str, body: Body | None = None) -> tuple[int, dict[str, str], bytes]:
    """One request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body.content if body else None, dict(body.headers) if body else {})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def _stat(process: Path) -> list[str]:
    try:
        return (process / "stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return []


def _mark(port: int) -> bytes:
    return f"{MARK}={port}".encode()


def _environment(process: Path) -> list[bytes]:
    """Variables of a process; none for one that has ended and was not collected yet."""
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _cpu(pid: int) -> float:
    fields = _stat(Path(f"/proc/{pid}"))
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def _memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
