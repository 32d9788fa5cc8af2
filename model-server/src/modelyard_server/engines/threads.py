"""How many CPU threads a torch model gets: measured at load, since a small model is slower with two than with one.

Threads of one operation wait for each other by spinning; for a model of microseconds that takes the CPU away from the
event loop and gives nothing back. A large model gains almost the whole factor.
"""

from collections.abc import Callable

import torch

from modelyard_server.engines import hardware, timing

WORTH_IT = 1.3
"""Speed-up below which the other CPUs are better left to HTTP."""
SHORT = 0.001
"""Seconds of one prediction below which one thread is enough: less could be gained than the others cost by spinning."""


def choose(asked: int | None, predict: Callable[[], object]) -> int:
    """Set and return the number of threads: what was asked for, or what pays off up to the container's CPU share."""
    share = hardware.cpu_share()
    if asked is not None or share == 1:
        use(asked or share)
        return asked or share
    one = _seconds(predict, 1)
    if one < SHORT or one <= _seconds(predict, share) * WORTH_IT:
        use(1)
        return 1
    return share


def use(threads: int) -> None:
    """Set the number for the calling thread, which is how torch keeps it; models that share a thread differ in it."""
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def _seconds(predict: Callable[[], object], threads: int) -> float:
    use(threads)
    return timing.best_seconds(predict)
