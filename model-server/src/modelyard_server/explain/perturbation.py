"""Occlusion and Shapley sampling of one row, by predictions alone: they fit every engine.

Occlusion: Zeiler and Fergus, 2014. Shapley sampling: Castro, Gomez and Tejada, 2009, each order also taken backwards,
which halves the error for the same number of predictions.
"""

from collections.abc import Awaitable, Callable

import numpy as np

from modelyard_server.protocol.datatypes import Array

Evaluate = Callable[[Array], Awaitable[Array]]
"""Points [n, features] to the one value of each [n]."""


async def occlusion(evaluate: Evaluate, row: Array, baseline: Array) -> Array:
    """By how much the value falls when one feature is at its baseline [features]."""
    points = np.repeat(row[None], len(row) + 1, axis=0)
    at = np.arange(len(row))
    points[at, at] = baseline
    values = await evaluate(points)
    result: Array = values[-1] - values[:-1]
    return result


async def shapley(evaluate: Evaluate, row: Array, baseline: Array, samples: int, seed: int) -> Array:
    """What each feature adds, on average over orders in which features come to the baseline [features]."""
    random = np.random.default_rng(seed)
    total = np.zeros((len(row),), np.float64)
    order = np.arange(len(row))
    for number in range(samples):
        order = order[::-1] if number % 2 else random.permutation(len(row))
        values = await evaluate(_path(row, baseline, order))
        total[order] += np.diff(values)
    return total / samples


def _path(row: Array, baseline: Array, order: Array) -> Array:
    """The baseline, then one feature after the other as in the row [features + 1, features]."""
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    taken = rank[None, :] < np.arange(len(order) + 1)[:, None]
    return np.where(taken, row[None], baseline[None])
