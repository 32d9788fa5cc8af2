"""The gateway's part of the page: figures beside a direct call and Envoy alone. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.report import tables

WAYS = {"direct": "direct", "envoy": "Envoy alone", "gateway": "gateway"}
CONNECTIONS = (1, 16, 64)
ROWS = {
    "added.c1.p50": ("added to a direct call at 1 connection, p50", 0.7),
    "cold.p50": ("first request with a token (two questions to the API server), p50", None),
    "cold.p99": ("the same, p99", None),
    "stream.direct.first_event.p50": ("first event of a stream, direct, new connection, p50", None),
    "stream.gateway.first_event.p50": ("the same through the gateway", None),
    "routes.100.address.p50": ("until a pod's new address is used, 100 models, p50", None),
    "routes.100.address.max": ("the same, the longest of 20", 1000.0),
    "routes.5000.address.p50": ("the same with 5,000 models, p50", None),
    "routes.5000.address.max": ("the same, the longest of 20", 1000.0),
    "routes.100.c16.rps": ("16 connections, 100 models", None),
    "routes.5000.c16.rps": ("16 connections, 5,000 models", None),
    "routes.5000.memory.process": ("memory of the process beside Envoy, 5,000 models", None),
    "routes.5000.memory.envoy": ("memory of Envoy, 5,000 models", None),
    "flood.strange.rps": ("strange tokens that come and are refused, 32 connections", None),
    "flood.questions": ("what of them reaches the API server", None),
    "flood.good.p50": ("a known token beside them, p50", None),
    "flood.good.p99": ("the same, p99", None),
    "flood.good.lost": ("its requests that were refused or lost", 0.0),
}


@dataclass(frozen=True)
class Gateway:
    """Results: where it was measured, and figures by name."""

    head: Mapping[str, Any]
    figures: dict[str, Mapping[str, Any]] = field(default_factory=dict)


def parse(lines: Iterable[str]) -> Gateway:
    """Read a results file. ValueError when its first line does not tell of the machine."""
    documents = [json.loads(line) for line in lines if line.strip()]
    if not documents or documents[0].get("kind") != "head":
        raise ValueError("the first line of the results has no kind: head; measure anew with make bench-gateway")
    return Gateway(documents[0], {one["figure"]: one for one in documents[1:]})


def section(found: Gateway) -> list[str]:
    """Paragraphs of the page."""
    head = found.head
    intro = (
        f"Measured on {head['date']}, {head['cpus']} CPUs, a load of {head['load_before']} before. An Envoy that "
        f"answers {head['body_bytes']} bytes with {head['answer_bytes']} stands for the model. wrk, that Envoy, the "
        "gateway's Envoy with one thread and the process beside it share the CPUs, so **compare with the direct call "
        "of the same run**. Each request through the gateway is authenticated and authorised, with a ServiceAccount's "
        "known token. CPU is that of the gateway's two processes. With 5,000 models each change of a pod is a new "
        "file of all clusters, which Envoy reads in whole. `make bench-gateway` measures again."
    )
    return [
        "## The gateway",
        intro,
        tables.markdown(_loads(found)).rstrip(),
        tables.markdown(_others(found)).rstrip(),
    ]


def _loads(found: Gateway) -> Iterator[list[str]]:
    yield ["way", *(f"{many} connection{'s' if many > 1 else ''}: requests/s, p50, p99" for many in CONNECTIONS)]
    for way, name in WAYS.items():
        yield [name, *(_load(found, f"{way}.c{many}") for many in CONNECTIONS)]
    yield ["gateway: requests/s of one CPU", *(_number(found, f"gateway.c{many}.per_core") for many in CONNECTIONS)]
    for process, name in {"envoy": "Envoy", "process": "the process beside it"}.items():
        cells = (f"{_number(found, f'gateway.c{many}.cpu.{process}')} µs" for many in CONNECTIONS)
        yield [f"CPU of {name} per request", *cells]


def _load(found: Gateway, name: str) -> str:
    return f"{_number(found, f'{name}.rps')}, {_number(found, f'{name}.p50')} ms, {_number(found, f'{name}.p99')} ms"


def _number(found: Gateway, name: str) -> str:
    one = found.figures.get(name)
    return tables.NONE if one is None else tables.number(float(one["value"]))


def _others(found: Gateway) -> Iterator[list[str]]:
    yield ["figure", "unit", "target", "measured"]
    for name, (label, target) in ROWS.items():
        one = found.figures.get(name)
        if one is not None:
            value = float(one["value"])
            verdict = "" if target is None else " ✓" if value <= target else " ✗"
            wanted = tables.NONE if target is None else tables.number(target)
            yield [label, one["unit"], wanted, tables.number(value) + verdict]
