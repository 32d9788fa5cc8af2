"""A line chart as SVG, small enough to commit and readable on a light and on a dark page. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]
WIDTH, HEIGHT = 720, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 62, 48
# Told apart without colour, too: by dashes. Source of the colours: Okabe and Ito, jfly.uni-koeln.de/color.
STYLES = (("#0072b2", ""), ("#d55e00", "7 4"), ("#009e73", "2 3"), ("#cc79a7", "10 3 2 3"),
          ("#e69f00", "14 4"), ("#56b4e9", "4 2"), ("#000000", "1 4"))  # fmt: skip


@dataclass(frozen=True)
class Series:
    """A named line."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Axis:
    """What an axis shows, from `low` to `high`; `log` for powers of ten."""

    label: str
    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value is, from 0 to 1."""
        if self.log:
            span = math.log10(self.high) - math.log10(self.low)
            return (math.log10(max(value, self.low)) - math.log10(self.low)) / span
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round values along the axis: about five, or the powers of ten."""
        if self.log:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            return [10.0**power for power in range(first, last + 1)]
        rough = (self.high - self.low) / 5
        magnitude = 10.0 ** math.floor(math.log10(rough))
        step = next(one * magnitude for one in (1, 2, 5, 10) if one * magnitude >= rough)
        return [at * step for at in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def axis(label: str, values: Sequence[float], *, log: bool = False) -> Axis:
    """An axis for values: from 0, or from the power of ten below the least."""
    most = max(values, default=1.0)
    if not log:
        return Axis(label, 0.0, most * 1.02 or 1.0)
    least = min((value for value in values if value > 0), default=1.0)
    low = 10.0 ** math.floor(math.log10(least))
    return Axis(label, low, max(10.0 ** math.ceil(math.log10(max(most, least))), low * 10), log=True)


def chart(title: str, x: Axis, y: Axis, lines: Sequence[Series]) -> str:
    """The picture."""
    canvas = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    text = f'role="img" aria-label="{escape(title)}" font-family="sans-serif" font-size="12" fill="#24292f"'
    parts = [
        f"<svg {canvas} {text}>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" font-size="15" font-weight="bold">{escape(title)}</text>',
        *_grid(x, y),
        *_legend(lines),
        *(_line(x, y, one, STYLES[at % len(STYLES)]) for at, one in enumerate(lines)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _right(x: Axis, value: float) -> float:
    return round(LEFT + x.place(value) * (WIDTH - LEFT - RIGHT), 1)


def _down(y: Axis, value: float) -> float:
    return round(HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM), 1)


def _grid(x: Axis, y: Axis) -> list[str]:
    floor, parts = HEIGHT - BOTTOM, []
    for value in x.ticks():
        at = _right(x, value)
        parts.append(f'<path d="M{at} {TOP}V{floor}" stroke="#d8dee4"/>')
        parts.append(f'<text x="{at}" y="{floor + 16}" text-anchor="middle">{_plain(value)}</text>')
    for value in y.ticks():
        at = _down(y, value)
        parts.append(f'<path d="M{LEFT} {at}H{WIDTH - RIGHT}" stroke="#d8dee4"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4}" text-anchor="end">{_plain(value)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{escape(x.label)}</text>')
    centre = (TOP + floor) / 2
    parts.append(
        f'<text x="14" y="{centre}" text-anchor="middle" transform="rotate(-90 14 {centre})">{escape(y.label)}</text>'
    )
    return parts


def _legend(lines: Sequence[Series]) -> list[str]:
    parts, at, down = [], float(LEFT), 42
    for number, one in enumerate(lines):
        width = 48 + 6.6 * len(one.name)
        if at > LEFT and at + width > WIDTH:
            at, down = float(LEFT), down + 15
        colour, dashes = STYLES[number % len(STYLES)]
        line = f'<path d="M{at:g} {down}h24" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dashes}"/>'
        parts.append(line)
        parts.append(f'<text x="{at + 30:g}" y="{down + 4}">{escape(one.name)}</text>')
        at += width
    return parts


def _line(x: Axis, y: Axis, series: Series, style: tuple[str, str]) -> str:
    points = " ".join(f"{_right(x, one[0]):g},{_down(y, one[1]):g}" for one in series.points)
    return (
        f'<polyline points="{points}" fill="none" stroke="{style[0]}" stroke-width="2.5" '
        f'stroke-dasharray="{style[1]}" stroke-linejoin="round"/>'
    )


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"
