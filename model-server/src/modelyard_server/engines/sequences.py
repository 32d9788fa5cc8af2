"""Rows of different lengths: kept ragged until a batch is known, then padded to its longest row. Pure."""

from collections.abc import Sequence
from math import inf

import numpy as np

from modelyard_server.protocol.datatypes import Array

SHORT = 16
"""Tokens below which a row is short enough to go with any other."""


def ragged(rows: Sequence[Array]) -> Array:
    """Rows of ids as one array of arrays, so that batches of different lengths can be joined; [rows], dtype object."""
    array = np.empty((len(rows),), np.object_)
    for position, row in enumerate(rows):
        array[position] = row
    return array


def trimmed(ids: Array, padding: int) -> Array:
    """Ragged rows of a rectangle [rows, tokens] that a client has filled up with `padding` at the end."""
    lengths = np.where(ids != padding, np.arange(1, ids.shape[1] + 1), 0).max(axis=1, initial=0)
    return ragged([row[:length] for row, length in zip(ids, lengths, strict=True)])


def padded(rows: Array, padding: int) -> tuple[Array, Array]:
    """A rectangle [rows, longest] of int64 and the lengths [rows]. A row without tokens becomes one of padding."""
    lengths = np.array([max(1, len(row)) for row in rows], np.int64)
    ids = np.full((len(rows), lengths.max()), padding, np.int64)
    for row, target in zip(rows, ids, strict=True):
        target[: len(row)] = row
    return ids, lengths


def groups(lengths: Array) -> list[Array]:
    """Positions of rows that are padded together: none is longer than half as long again as the shortest beside it.

    One long row would else have all others computed at its length. The groups are few: their lengths grow by half.
    """
    order = np.argsort(lengths, kind="stable")
    starts: list[int] = []
    shortest = 0
    for position, length in enumerate(lengths[order]):
        if not starts or length > max(SHORT, shortest + shortest // 2):
            starts.append(position)
            shortest = int(length)
    return np.split(order, starts[1:])


def problem(ids: Array, vocabulary: int, longest: float = inf) -> str | None:
    """Why these ids, padded, are not for a table of `vocabulary` rows, or None."""
    if ids.size and (ids.min() < 0 or ids.max() >= vocabulary):
        return f"holds id {int(ids.max() if ids.max() >= vocabulary else ids.min())}; ids are 0 to {vocabulary - 1}"
    return f"has {ids.shape[1]} tokens; at most {int(longest)} are taken" if ids.shape[1] > longest else None
