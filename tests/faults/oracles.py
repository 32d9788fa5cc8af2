"""The nine questions that a run is asked. Each is a function of the seed; it returns what is wrong, in words."""

import random
from collections.abc import Callable
from contextlib import closing
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from . import judgement
from .api.answers import RefusedError
from .api.kinds import BUDGETS, DEPLOYMENTS, SERVICES, Kind
from .api.storage import Body, Key
from .harness import Run, Write
from .injection import REQUEST_FAULTS, VIEW_FAULTS, WATCH_FAULTS
from .judgement import Watchman
from .scenario import MODEL_NAMES, NAMESPACES, Edit, Taste, edits, furnish, model, perform, play

# Virtual seconds from the end of all faults until everything must be as it should: a watch that has gone silent is
# noticed after 150, a failing key is tried again after 60 at most, a request lasts 15; the rest is pods that start.
BOUND = 300.0
# The operator's sweep, with its jitter: what only a list of all models can tell is known after that.
SWEEP = 730.0

Oracle = Callable[[int], list[str]]


def o1_consistency(seed: int) -> list[str]:
    """After any valid edits, the cluster is as asked and the status tells the truth."""
    chance = random.Random(f"O1 {seed}")
    with closing(Run(f"O1 {seed}")) as run:
        watchman = _begun(run)
        play(run, edits(chance, chance.randint(4, 12), Taste()))
        return _rest(run) + judgement.settled(run) + judgement.caches_differ(run) + watchman.all()


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
            watchman = _begun(run)
            play(run, scenario_of_run)
            wrong = _rest(run) + watchman.all()
            if wrong:
                return wrong
            scenes.append(judgement.picture(run, history=False))
    return judgement.differences(scenes[0], scenes[1], ("after edits", "when fresh"))


def o3_rollback(seed: int) -> list[str]:
    """Good, bad, good again: as at the start, by the same objects where nothing had to go, with few writes."""
    chance = random.Random(f"O3 {seed}")
    good = model(chance, "digits")
    good["spec"]["replicas"] = chance.randint(1, 3)
    with closing(Run(f"O3 {seed}")) as run:
        watchman = _begun(run)
        key = ("team-a", "digits")
        perform(run, Edit("model", 0.0, *key, good))
        wrong = _rest(run)
        before, uids = judgement.picture(run), _uids(run)
        bad, mend = _break(run, chance, key, good)
        began = run.universe.now
        run.wait(chance.choice((5.0, 60.0, 200.0)))
        wrong += judgement.too_many_writes(run, began + 30)
        mend()
        perform(run, Edit("model", 0.0, *key, good))
        wrong += _rest(run) + judgement.settled(run) + watchman.all()
        wrong += judgement.differences(before, judgement.picture(run), ("before", "after rollback"))
        if "gpu" not in good["spec"] and "gpu" not in bad["spec"]:
            # In place, an old replica makes room for the new one, so its Deployment may go.
            wrong += [f"{what} is another object than before" for what in uids if _uids(run).get(what) != uids[what]]
    return wrong


def _uids(run: Run) -> dict[str, str]:
    kinds = (DEPLOYMENTS, SERVICES, BUDGETS)
    return {f"{kind.name} {'/'.join(key)}": one.uid for kind in kinds for key, one in run.storage.objects[kind].items()}


def _break(run: Run, chance: random.Random, key: Key, good: Body) -> tuple[Body, Callable[[], None]]:
    """Make something wrong with a model; returns how it is now, and what mends it as far as the model does not."""
    spec: dict[str, Any] = {**good["spec"]}
    how = chance.choice(("uri", "runtime", "image", "memory", "gpus", "quota", "refused", "pods", "template"))
    mend = _nothing
    if how == "uri":
        spec["model"] = {"uri": "s3://models/digits/missing"}
    elif how in ("runtime", "image", "memory"):
        spec["runtime"] = {"runtime": "absent", "image": "broken", "memory": "too-large"}[how]
    elif how == "gpus":
        spec["gpu"] = {"count": 64}
    elif how == "template":
        spec["podTemplate"] = {"spec": {"nodeSelector": {"no": "node"}}}
    else:
        spec["model"] = {"uri": "s3://models/digits/9"}
        if how == "pods":
            run.world.deployments.quota[key[0]] = 'pods "x" is forbidden: exceeded quota: gpus, requested: pods=1'
        else:
            code, words = (403, "exceeded quota: objects") if how == "quota" else (422, "admission says no")
            run.verbs.admit = _refuse(
                DEPLOYMENTS, key[0], RefusedError(code, f"deployments.apps is forbidden: {words}")
            )
        mend = partial(_admit, run)
    bad = {**good, "spec": spec}
    perform(run, Edit("model", 0.0, *key, bad))
    return bad, mend


def _nothing() -> None:
    """The model itself mends it."""


def _refuse(
    kind: Kind, namespace: str, error: RefusedError
) -> Callable[[Kind, Body, Body | None], RefusedError | None]:
    """An admission that lets no new object of a kind into a namespace."""
    return lambda one, new, old: (
        error if one is kind and old is None and new["metadata"]["namespace"] == namespace else None
    )


def _admit(run: Run) -> None:
    run.verbs.admit = lambda _kind, _new, _old: None
    run.world.deployments.quota.clear()
    run.world.deployments.again()


# O4 goes through the writes of a scenario with consecutive seeds.
KILLS = 50


def o4_crash(seed: int) -> list[str]:
    """Killed right after its k-th write and started again, the operator ends where it would have ended."""
    scene = _reference(seed // KILLS)
    killed_at = seed % KILLS % max(1, scene[2]) + 1
    with closing(Run(f"O4 {seed // KILLS}")) as run:
        watchman = _begun(run)

        def wrote(write: Write) -> None:
            if len(run.writes) == killed_at:
                run.kill(write.client)
                run.loop.call_later(1.0, run.start)

        run.on_write = wrote
        wrong = _step_by_step(run, seed // KILLS)
        wrong += judgement.settled(run) + watchman.all()
        wrong += judgement.differences(scene[0], judgement.picture(run), ("without a crash", "with one"))
        return wrong + _counted_otherwise(scene[1], watchman)


@lru_cache(maxsize=2)
def _reference(base: int) -> tuple[dict[str, Body], Watchman, int]:
    with closing(Run(f"O4 {base}")) as run:
        watchman = _begun(run)
        _step_by_step(run, base)
        return judgement.picture(run), watchman, len(run.writes)


def _step_by_step(run: Run, base: int) -> list[str]:
    """Every edit waits for the one before to be done, so that a crash changes nothing but when things happen."""
    chance = random.Random(f"O4 {base}")
    wrong = []
    for edit in edits(chance, chance.randint(2, 4), Taste(bad=False, platform=False, patience=0)):
        perform(run, edit)
        wrong += _rest(run)
    return wrong


def _counted_otherwise(reference: Watchman, watchman: Watchman) -> list[str]:
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


def o5_lost_events(seed: int) -> list[str]:
    """Events that are late, merged or lost, and watches that end in every way, only delay the truth."""
    chance = random.Random(f"O5 {seed}")
    with closing(Run(f"O5 {seed}")) as run:
        watchman = Watchman(run)
        furnish(run)
        run.injection.storm(_some(chance, (*WATCH_FAULTS, *VIEW_FAULTS)), chance.choice((0.05, 0.15)))
        run.start()
        play(run, edits(chance, chance.randint(4, 12), Taste()))
        run.wait(chance.random() * 30)
        run.injection.calm()
        run.wait(BOUND)
        wrong = judgement.settled(run)
        if judgement.caches_differ(run):
            run.wait(SWEEP)
        return wrong + judgement.caches_differ(run) + judgement.settled(run) + watchman.all()


def o6_stale_reads(seed: int) -> list[str]:
    """Lists and watches that are behind, also after a restart: no child is deleted and made again because of it."""
    chance = random.Random(f"O6 {seed}")
    scenario = edits(chance, chance.randint(2, 5), Taste(bad=False, platform=False, strangers=False, deletions=False))
    watchmen, wrong = [], []
    for stale in (False, True):
        with closing(Run(f"O6 {seed}")) as run:
            watchman = Watchman(run)
            furnish(run)
            if stale:
                run.injection.storm(["late"], 0.05)
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
    return wrong + _counted_otherwise(watchmen[0], watchmen[1])


# The longest that a revision may go without progress: the default loadTimeout and what is added to it.
DEADLINE = 1200.0


def o7_quiescence(seed: int) -> list[str]:
    """At rest nothing is written: not as time goes by, not after a restart, not after a crash."""
    chance = random.Random(f"O7 {seed}")
    with closing(Run(f"O7 {seed}")) as run:
        watchman = _begun(run)
        play(run, edits(chance, chance.randint(2, 6), Taste(bad=False, platform=False)))
        wrong = _rest(run)
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
        run.injection.storm(_some(chance, (*REQUEST_FAULTS, *WATCH_FAULTS)), chance.choice((0.03, 0.1, 0.3)))
        victim = ("team-c", "refused")
        run.verbs.admit = _refuse(SERVICES, "team-c", RefusedError(422, "services is forbidden: admission says no"))
        run.start()
        perform(run, Edit("model", 0.0, *victim, model(chance, "refused")))
        play(run, edits(chance, chance.randint(4, 10), Taste()))
        run.wait(chance.random() * 60)
        run.injection.calm()
        run.wait(BOUND)
        calm = run.universe.now
        wrong = judgement.settled(run, but=[victim]) + judgement.caches_differ(run)
        run.wait(120)
        wrong += judgement.too_many_writes(run, calm)
        tries = sum(at >= calm for at, _ in run.refused)
        if tries > 2 * WRITES_OF_A_REFUSED:
            wrong.append(f"what is always refused was tried {tries} times in two minutes")
        return wrong + watchman.all()


# An object that is refused is tried again after 15 s, then later and later.
WRITES_OF_A_REFUSED = 6


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
            _disturb(run, chance, chance.choice(names))
        run.wait(60)
        # A process that lost its lease ends on purpose; what else ends is a finding.
        run.lost_processes = [one for one in run.lost_processes if "Leadership.run" not in one]
        return wrong + _rest(run) + judgement.settled(run) + watchman.all()


def _disturb(run: Run, chance: random.Random, name: str) -> None:
    """Keep one replica from the API server for a while, or end it."""
    if name not in run.containers:
        return
    how = chance.choice(("freeze", "part", "kill", "stop"))
    seconds = chance.choice((3.0, 14.0, 16.0, 25.0, 40.0))
    if how == "freeze":
        run.freeze(name)
        run.wait(seconds)
        if name in run.containers:
            run.thaw(name)
    elif how == "part":
        run.wires.part(name)
        run.wait(seconds)
        run.wires.heal(name)
    else:
        getattr(run, how)(name)
        run.wait(seconds if how == "kill" else 1.0)
        run.start(name)


def _begun(run: Run) -> Watchman:
    watchman = Watchman(run)
    furnish(run)
    run.start()
    return watchman


def _rest(run: Run) -> list[str]:
    return [] if run.settle(BOUND) else [f"not at rest {BOUND:.0f} s after the last edit"]


def _some(chance: random.Random, faults: tuple[str, ...]) -> list[str]:
    return chance.sample(faults, chance.randint(1, len(faults)))


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
