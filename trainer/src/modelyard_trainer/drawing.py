"""Digits and tables as text: they must read well in `kubectl logs`. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
SHADES = " ░▒▓█"
BRIGHTEST = 16.0


def digit(image: Array) -> list[str]:
    """An 8x8 image as 8 lines of 16 characters; two characters make a pixel roughly square."""
    levels = np.clip(np.rint(image / BRIGHTEST * (len(SHADES) - 1)), 0, len(SHADES) - 1).astype(int)
    return ["".join(SHADES[level] * 2 for level in row) for row in levels]


def captioned(image: Array, caption: Sequence[str]) -> list[str]:
    """A framed digit with its caption below."""
    width = 2 * image.shape[1]
    lines = [f"┌{'─' * width}┐", *(f"│{line}│" for line in digit(image)), f"└{'─' * width}┘"]
    return [*lines, *(f" {text}".ljust(width + 2)[: width + 2] for text in caption)]


def side_by_side(blocks: Sequence[Sequence[str]]) -> str:
    """Blocks of equal height in one row."""
    return "\n".join("  ".join(lines).rstrip() for lines in zip(*blocks, strict=True))


def confusion_table(table: Array, labels: Sequence[str]) -> str:
    """True classes as rows; zeros are dots, so that the mistakes stand out."""
    width = max(4, *(len(label) for label in labels))
    head = " " * (width + 2) + "".join(label.rjust(width) for label in labels)
    lines = [
        label.rjust(width) + " │" + "".join((str(count) if count else "·").rjust(width) for count in row)
        for label, row in zip(labels, table, strict=True)
    ]
    return "\n".join([head, *lines])
