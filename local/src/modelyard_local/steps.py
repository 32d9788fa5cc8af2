"""A graph of idempotent steps, run in parallel where they are independent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from .errors import LocalError
from .progress import Progress

LIGHT_WORKERS = 4
HEAVY_WORKERS = 2


@dataclass(frozen=True)
class Step:
    """One part of the work.

    `action` brings its part to the wanted state from any state and returns what it did ("" = nothing to do).
    `heavy` steps (builds) keep processors busy for long; only few run at a time, and others never wait for them.
    """

    name: str
    action: Callable[[], str]
    needs: tuple[str, ...] = ()
    heavy: bool = False


def check_graph(steps: Sequence[Step]) -> None:
    """Refuse a graph whose steps need something that does not come before them."""
    seen: set[str] = set()
    for step in steps:
        missing = [need for need in step.needs if need not in seen]
        if missing:
            raise ValueError(f"step {step.name} needs {', '.join(missing)}, which must be listed before it")
        if step.name in seen:
            raise ValueError(f"step {step.name} is listed twice")
        seen.add(step.name)


def run_steps(steps: Sequence[Step], progress: Progress) -> None:
    """Run every step once all that it needs is done; after a failure start nothing new, then raise it."""
    check_graph(steps)
    waiting = list(steps)
    done: set[str] = set()
    running: dict[Future[None], Step] = {}
    failure: LocalError | None = None
    with ThreadPoolExecutor(LIGHT_WORKERS) as light, ThreadPoolExecutor(HEAVY_WORKERS) as heavy:
        while running or (waiting and failure is None):
            if failure is None:
                for step in [step for step in waiting if done.issuperset(step.needs)]:
                    waiting.remove(step)
                    running[(heavy if step.heavy else light).submit(_run_one, step, progress)] = step
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                step = running.pop(future)
                error = future.exception()
                if error is None:
                    done.add(step.name)
                elif isinstance(error, LocalError):
                    failure = failure or error
                else:
                    raise error
    if failure is not None:
        raise failure


def _run_one(step: Step, progress: Progress) -> None:
    began = time.monotonic()
    try:
        outcome = step.action()
    except LocalError:
        progress.line(f"{step.name}: FAILED after {time.monotonic() - began:.1f} s")
        raise
    took = time.monotonic() - began
    progress.line(f"{step.name}: {outcome} ({took:.1f} s)" if outcome else f"{step.name}: up to date ({took:.2f} s)")
