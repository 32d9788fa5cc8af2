"""The nine questions that a run is asked. Each is a function of the seed; it returns what is wrong, in words.

Those of bad weather and of crashes have rooms of their own.
"""

import random
from collections.abc import Callable
from contextlib import closing

from . import judgement, pictures
from .api.kinds import BUDGETS, DEPLOYMENTS, SERVICES
from .crashes import o4_crash, o9_two_leaders
from .harness import Run
from .scenario import MODEL_NAMES, NAMESPACES, Edit, Taste, edits, model, node, perform, play
from .staging import PLENTY, SWEEP, at_rest, begun
from .trouble import break_model
from .weather import o5_lost_events, o6_stale_reads, o8_storm

Oracle = Callable[[int], list[str]]


def o1_consistency(seed: int) -> list[str]:
    """After any valid edits, the cluster is as asked and the status tells the truth."""
    chance = random.Random(f"O1 {seed}")
    with closing(Run(f"O1 {seed}")) as run:
        watchman = begun(run)
        play(run, edits(chance, chance.randint(4, 12), Taste()))
        return at_rest(run) + judgement.settled(run) + judgement.caches_differ(run) + watchman.all()


def o2_differential(seed: int) -> list[str]:
    """The way does not matter: many edits, or only the last state of each model, end in the same cluster."""
    chance = random.Random(f"O2 {seed}")
    scenario = edits(chance, chance.randint(4, 10), Taste(platform=False))
    final = [
        Edit("model", chance.random() * 5, namespace, name, model(chance, name))
        for namespace in NAMESPACES
        for name in MODEL_NAMES[:2]
    ]
    kept = {(one.namespace, one.name) for one in final}
    gone = [
        Edit("delete-model", 0.0, space, name)
        for space in NAMESPACES
        for name in MODEL_NAMES
        if (space, name) not in kept
    ]
    scenes = []
    for scenario_of_run in ([*scenario, *gone, *final], final):
        with closing(Run(f"O2 {seed}")) as run:
            watchman = begun(run)
            # Who gets the last GPU depends on who came first.
            node(run, "gpus-1", PLENTY)
            play(run, scenario_of_run)
            wrong = at_rest(run) + watchman.all()
            if wrong:
                return wrong
            scenes.append(pictures.picture(run, history=False))
    return pictures.differences(scenes[0], scenes[1], ("after edits", "when fresh"))


def o3_rollback(seed: int) -> list[str]:
    """Good, bad, good again: as at the start, by the same objects where nothing had to go, with few writes."""
    chance = random.Random(f"O3 {seed}")
    good = model(chance, "digits")
    good["spec"]["replicas"] = chance.randint(1, 3)
    with closing(Run(f"O3 {seed}")) as run:
        watchman = begun(run)
        key = ("team-a", "digits")
        perform(run, Edit("model", 0.0, *key, good))
        wrong = at_rest(run)
        before, uids = pictures.picture(run), _uids(run)
        bad, mend = break_model(run, chance, key, good)
        began = run.universe.now
        run.wait(chance.choice((5.0, 60.0, 200.0)))
        wrong += judgement.too_many_writes(run, began + 30)
        mend()
        perform(run, Edit("model", 0.0, *key, good))
        wrong += at_rest(run) + judgement.settled(run) + watchman.all()
        wrong += pictures.differences(before, pictures.picture(run), ("before", "after rollback"))
        if "gpu" not in good["spec"] and "gpu" not in bad["spec"]:
            # In place, an old replica makes room for the new one, so its Deployment may go.
            wrong += [f"{what} is another object than before" for what in uids if _uids(run).get(what) != uids[what]]
    return wrong


def _uids(run: Run) -> dict[str, str]:
    kinds = (DEPLOYMENTS, SERVICES, BUDGETS)
    return {f"{kind.name} {'/'.join(key)}": one.uid for kind in kinds for key, one in run.storage.objects[kind].items()}


# The longest that a revision may go without progress: the default loadTimeout and what is added to it.
DEADLINE = 1200.0


def o7_quiescence(seed: int) -> list[str]:
    """At rest nothing is written: not as time goes by, not after a restart, not after a crash."""
    chance = random.Random(f"O7 {seed}")
    with closing(Run(f"O7 {seed}")) as run:
        watchman = begun(run)
        # Who waits for a GPU passes its deadline some day, and that is news.
        node(run, "gpus-1", PLENTY)
        play(run, edits(chance, chance.randint(2, 6), Taste(bad=False, platform=False)))
        wrong = at_rest(run)
        # A model that cannot go on has that told once more when its deadline passes.
        run.wait(DEADLINE)
        for what in ("while nothing happens", "after a restart", "after a crash"):
            sent, refused = len(run.sent), len(run.refused)
            if what == "after a restart":
                run.stop("operator-a")
                run.start()
            elif what == "after a crash":
                run.kill("operator-a")
                run.start()
            run.wait(SWEEP if what == "while nothing happens" else 60)
            wrong += [
                f"sent {what}: {one.method} {where.kind.name} {'/'.join(where.key)}" for one, where in run.sent[sent:]
            ]
            wrong += [f"refused {what}: {one}" for one in run.refused[refused:]]
        return wrong + judgement.settled(run) + judgement.caches_differ(run) + watchman.all()


ORACLES: dict[str, Oracle] = {
    "O1": o1_consistency,
    "O2": o2_differential,
    "O3": o3_rollback,
    "O4": o4_crash,
    "O5": o5_lost_events,
    "O6": o6_stale_reads,
    "O7": o7_quiescence,
    "O8": o8_storm,
    "O9": o9_two_leaders,
}
