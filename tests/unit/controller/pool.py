"""A small cluster with a pool of GPUs for tests of the planner: it does what Deployments, scheduler and kubelet do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from modelyard_operator.rollout import Asked, Current, Step, Strategy, next_step

# What can happen, each to one pod: made by its Deployment, looked at by the scheduler, placed, ready, gone for good.
EVENTS = ("gone", "made", "judged", "placed", "ready")


@dataclass
class Revision:
    """Pods of one revision. A pod without a node is `fresh` until the scheduler has looked at it."""

    asked: int = 0
    fresh: int = 0
    judged: int = 0
    starting: int = 0
    ready: int = 0
    leaving: int = 0
    proven: bool = False
    broken: bool = False

    @property
    def placed(self) -> int:
        """Pods that hold a GPU and are not on their way out."""
        return self.starting + self.ready

    @property
    def made(self) -> int:
        """Pods that its Deployment counts."""
        return self.fresh + self.judged + self.placed

    def current(self, name: str) -> Current:
        """What the operator sees of it."""
        waiting = self.fresh + self.judged
        return Current(name, self.asked, self.made + self.leaving, self.ready, waiting, self.judged, self.proven)

    def lower(self, replicas: int) -> None:
        """Ask for fewer: pods without a node go first, then those that start, then ready ones."""
        self.asked = replicas
        while self.made > replicas:
            if self.fresh or self.judged:
                name = "fresh" if self.fresh else "judged"
                setattr(self, name, getattr(self, name) - 1)
            else:
                name = "starting" if self.starting else "ready"
                setattr(self, name, getattr(self, name) - 1)
                self.leaving += 1


@dataclass
class World:
    """A model with `desired` replicas of one GPU each, on a pool of `pool` GPUs."""

    desired: int
    pool: int
    old: int
    strategy: Strategy = "Auto"
    gpus: bool = True
    broken: bool = False
    paused: bool = False
    target: str = "new"
    revisions: dict[str, Revision] = field(default_factory=dict)
    steps: list[tuple[int, int]] = field(default_factory=list)
    served: int = 0
    last: Step | None = None

    def __post_init__(self) -> None:
        if self.old:
            ready = min(self.old, self.pool)
            self.revisions["old"] = Revision(self.old, judged=self.old - ready, ready=ready, proven=True)
        self.revisions["new"] = Revision(broken=self.broken)

    @property
    def ready(self) -> int:
        """Replicas that answer."""
        return sum(one.ready for one in self.revisions.values())

    @property
    def held(self) -> int:
        """GPUs that the model's pods hold, terminating ones too."""
        return sum(one.placed + one.leaving for one in self.revisions.values())

    def plan(self) -> Step:
        """Ask the planner."""
        self.served = max(self.served, self.ready)
        old = [one.current(name) for name, one in self.revisions.items() if name != self.target]
        asked = Asked(self.desired, self.strategy, self.gpus, self.paused, self.served)
        return next_step(asked, self.revisions[self.target].current(self.target), old)

    def take(self, step: Step) -> int:
        """Do what the planner says; ready replicas that this takes away."""
        before, self.last = self.ready, step
        for name, replicas in {**step.old, self.target: step.new}.items():
            self.revisions[name].lower(replicas)
        self.steps.append((sum(step.old.values()), step.new))
        for name, one in list(self.revisions.items()):
            if name != self.target and not one.asked and not one.leaving:
                del self.revisions[name]
        return before - self.ready

    def happen(self, kind: str) -> bool:
        """One thing happens, to the first pod that it can happen to."""
        return any(self._happened(kind, one, free=self.held < self.pool) for one in self.revisions.values())

    def _happened(self, kind: str, one: Revision, *, free: bool) -> bool:
        changes = {
            "gone": (one.leaving > 0, {"leaving": -1}),
            "made": (one.made < one.asked, {"fresh": 1}),
            "judged": (one.fresh > 0, {"fresh": -1, "starting": 1} if free else {"fresh": -1, "judged": 1}),
            "placed": (one.judged > 0 and free, {"judged": -1, "starting": 1}),
            "ready": (one.starting > 0 and not one.broken, {"starting": -1, "ready": 1}),
        }
        possible, change = changes[kind]
        for name, by in change.items() if possible else ():
            setattr(one, name, getattr(one, name) + by)
        return possible

    def begin(self, target: str) -> None:
        """The user asks for another revision in the middle."""
        self.revisions.setdefault(target, Revision())
        self.target = target

    def settle(self, weather: Iterable[str] = ()) -> None:
        """Plan and let things happen, in the order of `weather` while it lasts, until nothing changes any more."""
        order = iter(weather)
        for _ in range(2000):
            before = {name: one.asked for name, one in self.revisions.items()}
            self.take(self.plan())
            after = {name: one.asked for name, one in self.revisions.items()}
            if not any(self.happen(kind) for kind in [next(order, "gone"), *EVENTS]) and before == after:
                return
        raise AssertionError("the rollout never ends")

    def changes(self) -> list[tuple[int, int]]:
        """The (old, new) replicas asked for, without repetitions."""
        return [step for number, step in enumerate(self.steps) if number == 0 or step != self.steps[number - 1]]
