"""`make faults`: many seeds of all oracles in two processes; with SEED and ORACLE, one of them again, made smaller."""

import argparse
import gc
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from multiprocessing import get_context
from typing import Any, NamedTuple

from . import crashes, oracles, scenario, trouble, weather
from .oracles import ORACLES

# Real seconds; a run that needs more does not end.
LIMIT = 120
PROGRESS_SECONDS = 15


class Outcome(NamedTuple):
    """What became of one scenario."""

    oracle: str
    seed: int
    wrong: list[str]


def judge(task: tuple[str, int]) -> Outcome:
    """Run one scenario; an exception is a failure like any other."""
    oracle, seed = task
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LIMIT)
    try:
        return Outcome(oracle, seed, ORACLES[oracle](seed))
    except Exception:  # noqa: BLE001 - whatever it is, the other seeds go on
        return Outcome(oracle, seed, [traceback.format_exc()])
    finally:
        signal.alarm(0)
        gc.collect()


def _too_long(*_: Any) -> None:
    raise TimeoutError(f"not over after {LIMIT} s")


def tasks(count: int, asked: list[str], first: int) -> Iterator[tuple[str, int]]:
    """Seeds in turn for each oracle."""
    for number in range(count):
        yield asked[number % len(asked)], first + number // len(asked)


def many(count: int, asked: list[str], first: int, processes: int) -> int:
    """Run scenarios with a line of progress; the number of those that failed."""
    began, told, failed, done = time.monotonic(), 0.0, Counter[str](), Counter[str]()
    # A fifth of the time goes to collections in the middle of scenarios, each over all modules; one after each will do.
    gc.freeze()
    with get_context("fork").Pool(processes, initializer=gc.disable, maxtasksperchild=200) as pool:
        for outcome in pool.imap_unordered(judge, tasks(count, asked, first), chunksize=4):
            done[outcome.oracle] += 1
            if outcome.wrong:
                failed[outcome.oracle] += 1
                print(
                    f"make faults SEED={outcome.seed} ORACLE={outcome.oracle}   # {outcome.wrong[0][-300:]}", flush=True
                )
            elapsed, total = time.monotonic() - began, done.total()
            if elapsed - told > PROGRESS_SECONDS or total == count:
                told = elapsed
                left = (count - total) * elapsed / total
                rate = total / elapsed
                print(f"{total}/{count}, {rate:.1f} a second, {left:.0f} s left, {failed.total()} failed", flush=True)
    print("\n".join(f"{name}: {done[name]} scenarios, {failed[name]} failed" for name in asked if done[name]))
    return failed.total()


def again(oracle: str, seed: int) -> int:
    """Run one scenario; when it fails, leave out its edits one by one for as long as it still does."""
    outcome = judge((oracle, seed))
    if not outcome.wrong:
        print(f"{oracle} with seed {seed}: nothing is wrong")
        return 0
    omitted: frozenset[int] = frozenset()
    for number in range(1, 16):
        token = scenario.OMITTED.set(omitted | {number})
        smaller = judge((oracle, seed))
        scenario.OMITTED.reset(token)
        if smaller.wrong:
            omitted, outcome = omitted | {number}, smaller
    scenario.OMITTED.set(omitted)
    play, performed = scenario.perform, list[str]()

    def perform(run: Any, edit: scenario.Edit) -> None:
        performed.append(f"  at {run.universe.now - 1000:.1f} s: {edit}")
        play(run, edit)

    scenario.perform = perform
    for room in (oracles, crashes, trouble, weather):
        room.perform = perform  # type: ignore[attr-defined]
    judge((oracle, seed))
    print(f"{oracle} with seed {seed} fails with these edits:", *performed, "What is wrong:", sep="\n")
    print(*(f"  {one}" for one in outcome.wrong), sep="\n")
    return 1


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="faults")
    parser.add_argument("--count", type=int, default=1000, help="scenarios in all")
    parser.add_argument("--first", type=int, default=1000, help="first seed")
    parser.add_argument("--oracle", choices=sorted(ORACLES), help="only this one")
    parser.add_argument("--seed", type=int, help="only this seed of the oracle")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets is part of what a seed stands for.
        os.execve(  # noqa: S606 - the same program again
            sys.executable, [sys.executable, "-m", "faults", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"}
        )
    asked = [arguments.oracle] if arguments.oracle else list(ORACLES)
    if arguments.seed is not None:
        sys.exit(max(again(oracle, arguments.seed) for oracle in asked))
    sys.exit(1 if many(arguments.count, asked, arguments.first, arguments.processes) else 0)


if __name__ == "__main__":
    main()
