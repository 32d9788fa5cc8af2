"""Verdicts as a table and as JSON. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from modelyard_conformance.clauses import Result, Verdict

PARTS = {
    "rest": "Open Inference Protocol V2, REST",
    "binary": "binary tensor data",
    "repository": "model repository",
    "v1": "KServe V1",
    "grpc": "Open Inference Protocol V2, gRPC",
}


def table(results: Iterable[Result]) -> str:
    """A line for each clause, what was seen behind it, and a line of sums."""
    found = list(results)
    width = max((len(one.id) for one in found), default=0)
    lines = [f"{one.verdict:<12}  {one.id:<{width}}  {one.text}{_seen(one)}" for one in found]
    return "\n".join([*lines, summary(found)])


def _seen(one: Result) -> str:
    return f"\n{'':14}{one.seen}" if one.seen else ""


def summary(results: Iterable[Result]) -> str:
    """How many there are of each verdict."""
    counts = Counter(one.verdict for one in results)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])


def document(results: Iterable[Result], about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, for machines."""
    entries = [{"id": one.id, "text": one.text, "verdict": str(one.verdict), "seen": one.seen} for one in results]
    return {**about, "results": entries}
