"""How long a prediction takes, fairly: best of a few rounds, since a busy neighbour only ever adds time."""

import time
from collections.abc import Callable

ROUNDS = 5
LONG = 0.25
"""Seconds of one prediction beside which warming up is nothing: it is measured once, since pods wait for it."""


def best_seconds(predict: Callable[[], object]) -> float:
    """Seconds of the fastest prediction, the first of which warms up."""
    first = _timed(predict)
    return first if first > LONG else min(first, *(_timed(predict) for _ in range(ROUNDS)))


def _timed(predict: Callable[[], object]) -> float:
    started = time.perf_counter()
    predict()
    return time.perf_counter() - started
