"""How good predictions are. Pure."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def accuracy(truth: Array, predicted: Array) -> float:
    """Share of rows that are right."""
    return float((truth == predicted).mean())


def confusion(truth: Array, predicted: Array, classes: int) -> Array:
    """Counts by true class (rows) and predicted class (columns)."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (truth, predicted), 1)
    return table


def rmse(truth: Array, predicted: Array) -> float:
    """Root of the mean squared error, in the target's unit."""
    return float(np.sqrt(((truth - predicted) ** 2).mean()))


def r2(truth: Array, predicted: Array) -> float:
    """Share of the target's variance that the predictions explain."""
    return float(1 - ((truth - predicted) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())
