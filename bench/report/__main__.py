"""Writes the page and its pictures below docs, or below the folder that is given."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.report import gateway, servers
from bench.report.page import files
from bench.report.results import parse

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench/results/control_plane.jsonl"
SERVERS = ROOT / "bench/results/model_server.jsonl"
GATEWAY = ROOT / "bench/results/gateway.jsonl"
LANGUAGE = ROOT / "bench/results/llm.jsonl"


def main() -> None:
    """Write them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs"
    beside = servers.parse(SERVERS.read_text().splitlines()) if SERVERS.is_file() else None
    texts = servers.parse(LANGUAGE.read_text().splitlines()) if LANGUAGE.is_file() else None
    door = gateway.parse(GATEWAY.read_text().splitlines()) if GATEWAY.is_file() else None
    for name, text in files(parse(RESULTS.read_text().splitlines()), beside, texts, door).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
