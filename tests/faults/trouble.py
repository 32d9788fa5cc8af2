"""What is done to a model or to an operator on purpose: to be mended by the one who did it."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from .api.answers import RefusedError
from .api.kinds import DEPLOYMENTS, MODELS, Kind
from .api.requests import Target
from .api.storage import Body, Key
from .containers import Write
from .harness import Run
from .scenario import CHANGES, Edit, perform


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
        run.wait(seconds - 0.5)
        _touch(run, chance)
        run.wait(0.5)
        if name in run.containers:
            run.thaw(name)
    elif how == "part":
        # What reaches the replica at once when the partition ends makes it want to write.
        run.wires.part(name)
        run.wait(seconds - 0.5)
        _touch(run, chance)
        run.wait(0.5)
        run.wires.heal(name)
    else:
        getattr(run, how)(name)
        run.wait(seconds if how == "kill" else 1.0)
        run.start(name)


def _touch(run: Run, chance: random.Random) -> None:
    """Have every model want something else."""
    for key in sorted(run.storage.objects[MODELS]):
        run.patch(MODELS, key, {"spec": {"replicas": chance.randint(1, 3)}})


class Meddler:
    """Somebody who acts right before or right after a write: on the child that is written, or on its model."""

    def __init__(self, run: Run, chance: random.Random, most: int = 12) -> None:
        self._run, self._chance, self._left = run, chance, most
        run.on_ask, run.on_write = self._before, self._after

    def stop(self) -> None:
        """Leave everything alone from now on."""
        self._left = 0

    def _strikes(self) -> bool:
        self._left -= 1 if (strikes := self._left > 0 and self._chance.random() < 0.2) else 0
        return strikes

    def _before(self, target: Target) -> None:
        if not self._strikes():
            return
        if target.kind is MODELS:
            self._touch(target.key)
        elif target.kind in CHANGES and self._run.storage.get(target.kind, target.key):
            self._run.patch(target.kind, target.key, CHANGES[target.kind])

    def _after(self, write: Write) -> None:
        if write.kind not in CHANGES or not self._strikes():
            return
        if self._chance.random() < 0.5:
            self._run.loop.call_soon(self._run.delete, write.kind, write.key)
        else:
            for key in sorted(key for key in self._run.storage.objects[MODELS] if write.key[1].startswith(key[1])):
                self._run.loop.call_soon(self._touch, key)

    def _touch(self, key: Key) -> None:
        self._run.patch(MODELS, key, {"spec": {"replicas": self._left % 3 + 1}})
