"""Figures beside their targets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bench.report.results import Figure, Results
from bench.report.targets import ROWS, Row, met

NONE = "–"  # noqa: RUF001 - an en dash stands for a figure that was not measured


def number(value: float) -> str:
    """Three significant digits, and no more than a reader needs."""
    if value == int(value) and abs(value) < 100_000:
        return str(int(value))
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def cells(results: Results) -> Iterator[list[str]]:
    """The head, then for each row: what, unit, target, a value for each number of models, KServe's."""
    sizes = results.sizes
    yield ["figure", "unit", "target", *(f"{size:,} models" for size in sizes), "KServe 0.20"]
    for row in ROWS:
        found = [results.figures.get((row.figure, size)) for size in sizes]
        fakes = [one for (name, _), one in results.figures.items() if name == row.figure]
        if not any(found) and row.figure.startswith("fake."):
            found = [*[None] * (len(sizes) - 1), *fakes[:1]]
        if any(found):
            target = NONE if row.target is None else number(row.target)
            unit = "multiple" if row.of_ratio else next(one.unit for one in found if one)
            yield [row.label, unit, target, *(_cell(row, one) for one in found), row.kserve or NONE]


def _cell(row: Row, figure: Figure | None) -> str:
    if figure is None or (row.of_ratio and figure.ratio is None):
        return NONE
    value = figure.ratio if row.of_ratio and figure.ratio is not None else figure.value
    seconds = f" ({number(figure.value)} s)" if row.of_ratio else ""
    verdict = {True: " ✓", False: " ✗", None: ""}[met(row, value)]
    return number(value) + seconds + verdict


def requests(results: Results) -> Iterator[list[str]]:
    """The head, then requests per model by verb and resource."""
    sizes = results.sizes
    yield ["request", *(f"{size:,} models" for size in sizes)]
    for kind in ("writes.", "reads."):
        for name in results.names(kind):
            if name.count(".") < 2:
                continue
            _, verb, resource = name.split(".", 2)
            found = [results.figures.get((name, size)) for size in sizes]
            yield [f"{verb} {resource}", *(NONE if one is None else f"{one.value:.2f}" for one in found)]


def markdown(rows: Iterable[Sequence[str]]) -> str:
    """A table of a page."""
    head, *body = rows
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def text(rows: Iterable[Sequence[str]]) -> str:
    """A table of a terminal."""
    lines = list(rows)
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    first, *rest = widths
    return "\n".join(
        "  ".join([line[0].ljust(first), *(cell.rjust(width) for cell, width in zip(line[1:], rest, strict=True))])
        for line in lines
    )
