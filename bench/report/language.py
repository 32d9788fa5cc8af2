"""Text generation's part of the page: tokens a second and times to the first one, beside the peers'. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.report import tables
from bench.report.servers import Servers

BASE = "generate-float32"
"""Whose figures the others are multiples of."""
WEIGHTS = 134_515_008
BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}


def section(found: Servers) -> list[str]:
    """Paragraphs of the page."""
    return [
        "## Text generation beside its peers",
        _intro(found),
        tables.markdown(_rows(found)).rstrip(),
        _limit(found),
    ]


def _intro(found: Servers) -> str:
    head = found.head
    tokens = next(iter(found.peers.values()), {}).get("tokens", "?")
    return (
        f"SmolLM2-135M-Instruct, the same weights for all, greedy, {tokens} tokens each, {head['threads']} threads "
        f"on {head['cpu']}, torch {head['torch']}; client and server share the CPUs. In brackets: multiples of plain "
        "transformers in float32 with as many prompts in one batch. `make bench-llm` measures again."
    )


def _limit(found: Servers) -> str:
    """What the memory allows: a token of one stream reads every weight once."""
    speed = float(found.head["bandwidth"])
    parts = [f"{speed * 1e9 / (WEIGHTS * size):.0f} in {name}" for name, size in BYTES.items()]
    return (
        f"Memory was read at {speed:g} GB/s, which bounds one stream at so many tokens a second: {', '.join(parts)}. "
        "More streams share each read. llama.cpp reads 4.5 bits a weight."
    )


def _rows(found: Servers) -> Iterator[Sequence[str]]:
    counts = sorted({int(name[1:].split(".")[0]) for _, name in found.figures if name.startswith("s")})
    heads = [f"{what}, {count}" for what in ("tokens/s", "first token s", "worst s") for count in counts]
    yield ["", "settings", *heads, "8 one after the other", "MB", "load before"]
    for peer, about in found.peers.items():
        rates = [_rate(found, peer, f"s{count}.tokens_per_second") for count in counts]
        names = [f"s{count}.{field}" for field in ("first_median", "first_worst") for count in counts]
        rest = [_number(found.value(peer, name)) for name in (*names, "s8.sequential.tokens_per_second", "memory")]
        yield [f"{about['title']} {about['version']}", about["settings"], *rates, *rest, str(about["load_before"])]


def _rate(found: Servers, peer: str, name: str) -> str:
    value, base = found.value(peer, name), found.value(BASE, name)
    if value is None:
        return tables.NONE
    return tables.number(value) + (f" ({value / base:.1f}x)" if base and peer != BASE else "")


def _number(value: float | None) -> str:
    return tables.NONE if value is None else tables.number(value)
