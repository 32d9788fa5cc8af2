"""How long a prediction takes, fairly: best of a few rounds, since a busy neighbour only ever adds time."""

import time
from collections.abc import Callable

ROUNDS = 5
LONG = 0.25
"""Seconds of one prediction after which a single round is measured."""


def best_seconds(predict: Callable[[], object]) -> float:
    """Seconds of the fastest prediction, the first of which warms up."""
    first = _timed(predict)
    rounds = 1 if first > LONG else ROUNDS
    return min([first, *(_timed(predict) for _ in range(rounds))])


def _timed(predict: Callable[[], object]) -> float:
    started = time.perf_counter()
    predict()
    return time.perf_counter() - started
