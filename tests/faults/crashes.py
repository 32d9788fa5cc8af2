"""The oracles of processes that die, freeze or are cut off: O4 and O9."""

import random
from contextlib import closing
from functools import lru_cache

from . import judgement, pictures
from .api.storage import Body
from .containers import Write
from .harness import Run
from .scenario import Taste, edits, furnish, perform
from .staging import at_rest, begun, counted_otherwise
from .trouble import disturb
from .watchman import Watchman

# O4 goes through the writes of a scenario with consecutive seeds.
KILLS = 50


def o4_crash(seed: int) -> list[str]:
    """Killed right after its k-th write and started again, the operator ends where it would have ended."""
    scene = _reference(seed // KILLS)
    killed_at = seed % KILLS % max(1, scene[2]) + 1
    with closing(Run(f"O4 {seed // KILLS}")) as run:
        watchman = begun(run)

        def wrote(write: Write) -> None:
            if len(run.writes) == killed_at:
                run.kill(write.client)
                run.loop.call_later(1.0, run.start)

        run.on_write = wrote
        wrong = _step_by_step(run, seed // KILLS)
        wrong += judgement.settled(run) + watchman.all()
        wrong += pictures.differences(scene[0], pictures.picture(run), ("without a crash", "with one"))
        return wrong + counted_otherwise(scene[1], watchman)


@lru_cache(maxsize=2)
def _reference(base: int) -> tuple[dict[str, Body], Watchman, int]:
    with closing(Run(f"O4 {base}")) as run:
        watchman = begun(run)
        _step_by_step(run, base)
        return pictures.picture(run), watchman, len(run.writes)


def _step_by_step(run: Run, base: int) -> list[str]:
    """Every edit waits for the one before to be done, so that a crash changes nothing but when things happen."""
    chance = random.Random(f"O4 {base}")
    wrong = []
    for edit in edits(chance, chance.randint(2, 4), Taste(bad=False, platform=False, patience=0)):
        perform(run, edit)
        wrong += at_rest(run)
    return wrong


def o9_two_leaders(seed: int) -> list[str]:
    """Two replicas: nobody writes who does not hold the Lease, whoever is frozen, cut off, stopped or killed."""
    chance = random.Random(f"O9 {seed}")
    names = ("operator-a", "operator-b")
    with closing(Run(f"O9 {seed}", lease=15.0)) as run:
        watchman = Watchman(run)
        furnish(run)
        wrong: list[str] = []
        run.on_write = lambda _write: wrong.extend(judgement.not_led(run))
        for name in names:
            run.start(name)
            run.wait(chance.random())
        for edit in edits(chance, chance.randint(3, 6), Taste(bad=False, platform=False)):
            run.wait(chance.random() * 12)
            perform(run, edit)
            run.wait(chance.random() * chance.choice((0.05, 4)))
            disturb(run, chance, chance.choice(names))
        run.wait(60)
        # A process that lost its lease ends on purpose; what else ends is a finding.
        run.lost_processes = [one for one in run.lost_processes if "Leadership.run" not in one]
        return wrong + at_rest(run) + judgement.settled(run) + watchman.all()
