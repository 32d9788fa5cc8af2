"""The model server's part of the page: figures beside the peers'. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.report import tables
from bench.report.drawing import Series, axis, chart

TITLES = {"mlp": "MLP 784-128-10", "cnn": "CNN of the size of ResNet-18 (3 x 128 x 128)"}
FORMS = {"json": "JSON", "binary": "binary tensors"}
CONNECTIONS = (1, 16, 64)


@dataclass(frozen=True)
class Servers:
    """Results of the model servers: what is known of each, and its figures by name."""

    head: Mapping[str, Any]
    peers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    figures: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)

    def value(self, peer: str, name: str) -> float | None:
        """One figure, if it was measured."""
        found = self.figures.get((peer, name))
        return None if found is None else float(found["value"])


def parse(lines: Iterable[str]) -> Servers:
    """Read a results file. ValueError when its first line does not tell of the machine."""
    documents = [json.loads(line) for line in lines if line.strip()]
    if not documents or documents[0].get("kind") != "head":
        raise ValueError("the first line of the results has no kind: head; measure anew with make bench-model-server")
    found = Servers(documents[0])
    for one in documents[1:]:
        if one.get("kind") == "peer":
            found.peers[one["peer"]] = one
        else:
            found.figures[one["peer"], one["figure"]] = one
    return found


def section(servers: Servers) -> list[str]:
    """Paragraphs of the page."""
    parts = ["## The model server beside its peers", _intro(servers), tables.markdown(_about(servers)).rstrip()]
    for model, title in TITLES.items():
        for form, name in FORMS.items():
            rows = list(_loads(servers, f"{model}.{form}"))
            if len(rows) > 1:
                parts.append(f"### {title}, {name}\n\n" + tables.markdown(rows).rstrip())
        if any(figure.startswith(model) for _, figure in servers.figures):
            parts.append(f"### {title}: memory, start, end\n\n" + tables.markdown(_life(servers, model)).rstrip())
    return parts


def pictures(servers: Servers) -> dict[str, tuple[str, str]]:
    """Title and chart by file name."""
    found = {}
    for model, title in TITLES.items():
        lines = list(_lines(servers, model))
        if lines:
            x = axis("connections", [1, 64], log=True)
            y = axis("requests per second", [y for one in lines for _, y in one.points], log=True)
            heading = f"{title}, JSON"
            found[f"servers-{model}"] = (heading, chart(heading, x, y, lines))
    return found


def _intro(servers: Servers) -> str:
    head = servers.head
    return (
        f"On {head['cpu']}, {head['cpus']} CPUs, Python {head['python']}, torch {head['torch']}; server and wrk share "
        "the CPUs over loopback, closed loop, one worker each, the settings that were fastest for each, the same "
        "numbers in each body, every answer checked against torch. The echo reads a body and answers two bytes: it is "
        "what HTTP alone costs here, so **compare with it, not seconds**. CPU is that of all processes of a server; "
        "memory is their proportional share. Lost are requests that were sent and got no good answer when SIGTERM came "
        "under load of 16 connections. `make bench-model-server` measures again."
    )


def _about(servers: Servers) -> Iterator[Sequence[str]]:
    yield ["server", "version", "settings", "measured", "load before"]
    for one in servers.peers.values():
        yield [one["title"], one["version"], one["settings"], one["date"], str(one["load_before"])]


def _loads(servers: Servers, name: str) -> Iterator[Sequence[str]]:
    """Requests a second and the share of the echo's, tail latency and CPU, for each number of connections."""
    heads = [f"{what}, c{count}" for what in ("requests/s (of echo)", "p99 ms", "CPU µs") for count in CONNECTIONS]
    yield ["server", *heads, "errors"]
    for peer, about in servers.peers.items():
        if servers.value(peer, f"{name}.c1.rps") is None and servers.value(peer, f"{name}.c16.rps") is None:
            continue
        rates = [_rate(servers, peer, f"{name}.c{count}.rps") for count in CONNECTIONS]
        rest = [
            _number(servers.value(peer, f"{name}.c{count}.{what}")) for what in ("p99", "cpu") for count in CONNECTIONS
        ]
        errors = [servers.value(peer, f"{name}.c{count}.errors") or 0 for count in CONNECTIONS]
        yield [about["title"], *rates, *rest, _number(sum(errors))]


def _rate(servers: Servers, peer: str, name: str) -> str:
    found = servers.figures.get((peer, name))
    if found is None:
        return tables.NONE
    share = f" ({found['ratio']:.0%})" if "ratio" in found else ""
    return tables.number(found["value"]) + share


def _life(servers: Servers, model: str) -> Iterator[Sequence[str]]:
    yield ["server", "ready s", "MB idle", "MB after load", "lost at SIGTERM", "ended after s", "exit code",
           "processes left"]  # fmt: skip
    names = ("ready", "memory.idle", "memory", "stop.lost", "stop.seconds", "stop.code", "stop.left")
    for peer, about in servers.peers.items():
        found = [servers.value(peer, f"{model}.{name}") for name in names]
        if any(one is not None for one in found):
            yield [about["title"], *map(_number, found)]


def _number(value: float | None) -> str:
    return tables.NONE if value is None else tables.number(value)


def _lines(servers: Servers, model: str) -> Iterator[Series]:
    for peer, about in servers.peers.items():
        values = [(float(count), servers.value(peer, f"{model}.json.c{count}.rps")) for count in CONNECTIONS]
        points = [(x, y) for x, y in values if y]
        if len(points) > 1:
            yield Series(about["title"], points)
