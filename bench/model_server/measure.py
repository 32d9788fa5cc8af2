"""All figures of one peer with one model, in one start of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.model_server import bodies, drain, load, processes
from bench.model_server.networks import Built
from bench.model_server.peers import ECHO, Peer, start
from bench.model_server.processes import Server

JSON, BINARY = "json", "binary"
WARM = 1


@dataclass(frozen=True)
class Figure:
    """One measured figure, such as `mlp.json.c16.rps`."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True)
class Plan:
    """How long and how wide."""

    seconds: int
    connections: Sequence[int]


def peer_with_model(peer: Peer, built: Built, programs: Path, plan: Plan) -> Iterator[Figure]:
    """Start it, check its answers, load it, and stop it under load. Raises RuntimeError for wrong answers."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ports = processes.free_ports()
        begin = start(peer, built, ports, folder)
        ready = peer.ready.format(name=built.name)
        with processes.running(begin, programs, ports.http, ready, folder / "log") as server:
            yield Figure(f"{built.name}.ready", server.ready_seconds, "s")
            yield Figure(f"{built.name}.memory.idle", server.memory(), "MB")
            for form in (JSON, BINARY) if peer.binary else (JSON,):
                yield from _loads(peer, built, server, (form, plan), folder)
            yield Figure(f"{built.name}.memory", server.memory(), "MB")
            if peer.name != ECHO:
                yield from _end(peer, built, server)


def body_of(peer: Peer, built: Built, form: str) -> bodies.Body:
    """What a peer is sent."""
    return bodies.make(peer.form if form == JSON else BINARY, built.input)


def check(peer: Peer, built: Built, server: Server, form: str) -> None:
    """Its scores must be those of the reference."""
    if peer.name == ECHO:
        return
    path = peer.path.format(name=built.name)
    status, headers, content = processes.ask(server.port, "POST", path, body_of(peer, built, form))
    if status != 200:
        raise RuntimeError(f"{peer.name}: {form}: {status} {content[:300]!r}")
    found = bodies.scores(content, headers)
    if not np.allclose(found, built.reference.ravel(), rtol=1e-3, atol=1e-4):
        raise RuntimeError(f"{peer.name}: {form}: scores {found[:4]} are not {built.reference.ravel()[:4]}")


def _loads(peer: Peer, built: Built, server: Server, how: tuple[str, Plan], folder: Path) -> Iterator[Figure]:
    form, plan = how
    check(peer, built, server, form)
    body, path = body_of(peer, built, form), peer.path.format(name=built.name)
    for connections in plan.connections:
        load.run(server, path, body, connections, WARM, folder)
        found = load.run(server, path, body, connections, plan.seconds, folder)
        name = f"{built.name}.{form}.c{connections}"
        yield Figure(f"{name}.rps", found.rps, "requests/s")
        yield Figure(f"{name}.p50", found.p50_ms, "ms")
        yield Figure(f"{name}.p99", found.p99_ms, "ms")
        yield Figure(f"{name}.cpu", found.cpu_us, "us per request")
        yield Figure(f"{name}.errors", found.errors, "requests")


def _end(peer: Peer, built: Built, server: Server) -> Iterator[Figure]:
    ended = drain.run(server, peer.path.format(name=built.name), body_of(peer, built, JSON))
    yield Figure(f"{built.name}.stop.lost", ended.lost, "requests")
    yield Figure(f"{built.name}.stop.seconds", ended.seconds, "s")
    yield Figure(f"{built.name}.stop.code", ended.code, "exit code")
    yield Figure(f"{built.name}.stop.left", ended.left, "processes")
