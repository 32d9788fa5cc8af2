"""What is done to a model or to an operator on purpose: to be mended by the one who did it."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from .api.answers import RefusedError
from .api.kinds import DEPLOYMENTS, Kind
from .api.storage import Body, Key
from .harness import Run
from .scenario import Edit, perform


def break_model(run: Run, chance: random.Random, key: Key, good: Body) -> tuple[Body, Callable[[], None]]:
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
            run.verbs.admit = refusing(
                DEPLOYMENTS, key[0], RefusedError(code, f"deployments.apps is forbidden: {words}")
            )
        mend = partial(_admit, run)
    bad = {**good, "spec": spec}
    perform(run, Edit("model", 0.0, *key, bad))
    return bad, mend


def _nothing() -> None:
    """The model itself mends it."""


def refusing(
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


def disturb(run: Run, chance: random.Random, name: str) -> None:
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
