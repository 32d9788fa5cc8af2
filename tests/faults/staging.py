"""How a run begins and ends, the same for all oracles."""

import random

from .harness import Run
from .scenario import furnish
from .watchman import Watchman

# Virtual seconds from the end of all faults until everything must be as it should: a watch that has gone silent is
# noticed after 150, a failing key is tried again after 60 at most, a request lasts 15; the rest is pods that start.
BOUND = 300.0

# The operator's sweep, with its jitter: what only a list of all models can tell is known after that.
SWEEP = 730.0

# GPUs, when nobody shall wait for one.
PLENTY = 64


def begun(run: Run) -> Watchman:
    """An operator that runs in a furnished cluster, and who looks on."""
    watchman = Watchman(run)
    furnish(run)
    run.start()
    return watchman


def at_rest(run: Run) -> list[str]:
    """Wait until nothing happens any more; what is wrong when that takes too long."""
    return [] if run.settle(BOUND) else [f"not at rest {BOUND:.0f} s after the last edit"]


def some(chance: random.Random, faults: tuple[str, ...]) -> list[str]:
    """Some of these faults."""
    return chance.sample(faults, chance.randint(1, len(faults)))


def counted_otherwise(reference: Watchman, watchman: Watchman) -> list[str]:
    """Children that were created or deleted oftener, or less often, than in a run without faults."""
    wrong = []
    for name, one, other in (
        ("created", reference.created, watchman.created),
        ("deleted", reference.deleted, watchman.deleted),
    ):
        wrong += [
            f"{kind.name} {'/'.join(key)} was {name} {other[kind, key]} times instead of {one[kind, key]}"
            for kind, key in sorted(one.keys() | other.keys(), key=str)
            if one[kind, key] != other[kind, key]
        ]
    return wrong
