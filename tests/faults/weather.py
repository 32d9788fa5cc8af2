"""The oracles of a network and a server that have a bad day: O5, O6 and O8."""

import random
from collections import Counter
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from . import judgement
from .api.answers import RefusedError
from .api.kinds import BUDGETS, SERVICES, Kind
from .api.storage import Key
from .harness import Run
from .injection import REQUEST_FAULTS, VIEW_FAULTS, WATCH_FAULTS
from .scenario import Edit, Taste, edits, furnish, model, perform, play
from .staging import BOUND, SWEEP, counted_otherwise, some
from .trouble import Meddler, refusing
from .watchman import Watchman

# Children that have no steps: they are written when they are asked for differently, and at no other time.
_PLAIN = (SERVICES, BUDGETS)


def o5_lost_events(seed: int) -> list[str]:
    """Events that are late, merged or lost, and watches that end in every way, only delay the truth."""
    chance = random.Random(f"O5 {seed}")
    with closing(Run(f"O5 {seed}")) as run:
        watchman = Watchman(run)
        furnish(run)
        run.injection.storm(
            some(chance, (*WATCH_FAULTS, *VIEW_FAULTS, "late-answer")), chance.choice((0.05, 0.15, 0.5))
        )
        run.start()
        meddler = Meddler(run, random.Random(f"O5 meddler {seed}"))
        play(run, edits(chance, chance.randint(4, 12), Taste()))
        run.wait(chance.random() * 30)
        run.injection.calm()
        meddler.stop()
        run.wait(60)
        calm = run.universe.now
        run.wait(BOUND)
        wrong = judgement.models_settled(run)
        if judgement.leftovers(run) or judgement.caches_differ(run):
            # kopf does not tell that a model was deleted while nobody watched.
            run.wait(SWEEP)
        wrong += judgement.settled(run) + judgement.caches_differ(run)
        return wrong + judgement.too_many_writes(run, calm) + watchman.all()


def o6_stale_reads(seed: int) -> list[str]:
    """Lists and watches that are behind, also after a restart: no child is deleted and made again because of it."""
    chance = random.Random(f"O6 {seed}")
    scenario = edits(chance, chance.randint(2, 5), Taste(bad=False, platform=False, strangers=False, deletions=False))
    watchmen, wrong, sent = list[Watchman](), list[str](), list[Counter[tuple[Kind, Key]]]()
    for stale in (False, True):
        with closing(Run(f"O6 {seed}")) as run:
            watchman = Watchman(run)
            furnish(run)
            if stale:
                run.injection.storm(["late", "late-answer"], 0.5)
                run.injection.delay = 20.0
                run.injection.lag = chance.choice((3, 10, 40))
            run.start()
            for edit in scenario:
                perform(run, edit)
                run.wait(90)
                if stale and chance.random() < 0.5:
                    run.kill("operator-a")
                    run.start()
                    run.wait(60)
            run.injection.calm()
            run.wait(BOUND)
            wrong += judgement.settled(run) + judgement.caches_differ(run) + watchman.all()
            watchmen.append(watchman)
            sent.append(
                Counter(
                    (where.kind, where.key) for one, where in run.sent if where.kind in _PLAIN and one.method == "PATCH"
                )
            )
    wrong += [f"{what} was sent {sent[1][what]} times, not {sent[0][what]}" for what in sent[1] - sent[0]]
    return wrong + counted_otherwise(watchmen[0], watchmen[1])


def o8_storm(seed: int) -> list[str]:
    """Whatever the API server answers for a while, all is well soon after; one that is refused hurts no other."""
    chance = random.Random(f"O8 {seed}")
    with TemporaryDirectory() as folder, closing(Run(f"O8 {seed}", token_file=Path(folder) / "token")) as run:
        watchman = Watchman(run)
        furnish(run)
        run.rotate()
        for _ in range(chance.randint(0, 3)):
            run.loop.call_later(chance.random() * 100, run.rotate)
            run.loop.call_later(chance.random() * 100, run.jump)
        run.injection.storm(some(chance, (*REQUEST_FAULTS, *WATCH_FAULTS)), chance.choice((0.03, 0.1, 0.3)))
        victim = ("team-c", "refused")
        run.verbs.admit = refusing(SERVICES, "team-c", RefusedError(422, "services is forbidden: admission says no"))
        run.start()
        meddler = Meddler(run, random.Random(f"O8 meddler {seed}"))
        perform(run, Edit("model", 0.0, *victim, model(chance, "refused")))
        play(run, edits(chance, chance.randint(4, 10), Taste()))
        run.wait(chance.random() * 60)
        run.injection.calm()
        meddler.stop()
        run.wait(BOUND)
        calm = run.universe.now
        wrong = judgement.settled(run, but=[victim]) + judgement.caches_differ(run)
        run.wait(120)
        wrong += judgement.too_many_writes(run, calm)
        tries = sum(at >= calm for at, _ in run.refused)
        if tries > 2 * WRITES_OF_A_REFUSED:
            wrong.append(f"what is always refused was tried {tries} times in two minutes")
        # Who cannot renew its lease in a storm ends on purpose; O9 is about that.
        run.lost_processes = [one for one in run.lost_processes if "Leadership.run" not in one]
        return wrong + watchman.all()


# An object that is refused is tried again after 15 s, then later and later.
WRITES_OF_A_REFUSED = 6
