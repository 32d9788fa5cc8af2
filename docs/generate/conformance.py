"""The page of the conformance table: verdicts of bench/results/conformance.json, clause by clause."""

import json
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

from .markdown import code, document, table

RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results" / "conformance.json"
PARTS = {
    "rest": "Open Inference Protocol V2 over REST",
    "grpc": "Open Inference Protocol V2 over gRPC",
    "binary": "Binary tensor data",
    "repository": "Model repository",
    "v1": "KServe V1",
}
MARKS = {"pass": "✓", "fail": "✗", "unsupported": "–", "inapplicable": " "}  # noqa: RUF001 (an en dash)
INTRO = """The suite in [tests/conformance](../../tests/conformance/README.md) asks a running server from outside, clause by clause. Here it
asked ours and the two Python servers that speak the same protocols, with the same network (784-128-10, one input, one output):
ours as a package, the others as a custom model in the way of their documentation, which leaves the check of inputs to the model.
✓ kept, ✗ not kept, – an optional part that the server does not have, empty where this model cannot show it. `make conformance`
judges again."""  # noqa: E501, RUF001 (a paragraph)


def page() -> str:
    """Sums first, then a table for each part."""
    servers: dict[str, Any] = json.loads(RESULTS.read_text())
    parts = [f"## {title}\n\n" + _part(servers, part) for part, title in PARTS.items()]
    return document(
        "Conformance", INTRO, "## Sums\n\n" + _sums(servers), *parts, "## What was seen\n\n" + _seen(servers)
    )


def _sums(servers: dict[str, Any]) -> str:
    rows = []
    for one in servers.values():
        counts = Counter(result["verdict"] for result in one["results"])
        figures = [str(counts[verdict]) for verdict in MARKS]
        rows.append((f"{one['title']} {one['version']}", one["date"], *figures))
    return table(("server", "date", "kept", "not kept", "not there", "not shown"), rows)


def _part(servers: dict[str, Any], part: str) -> str:
    verdicts = [{one["id"]: one["verdict"] for one in server["results"]} for server in servers.values()]
    clauses = [one for one in next(iter(servers.values()))["results"] if one["id"].partition(".")[0] == part]
    rows = [
        (code(one["id"]), one["text"], *(MARKS[found.get(one["id"], "inapplicable")] for found in verdicts))
        for one in clauses
    ]
    return table(("clause", "text", *(server["title"] for server in servers.values())), rows)


def _seen(servers: dict[str, Any]) -> str:
    rows = [
        (server["title"], code(one["id"]), code(_plain(one["seen"])))
        for server in servers.values()
        for one in server["results"]
        if one["verdict"] == "fail"
    ]
    return table(("server", "clause", "answer"), rows) if rows else "Nothing failed."


def _plain(text: str) -> str:
    return textwrap.shorten(text.replace("`", "'").replace("\\", "/"), 110, placeholder=" …")
