"""The rollout planner: exact sequences by name, and promises under random weather."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard_operator.rollout import Current, Step, next_step


class World:
    """A cluster with a pool of GPUs: creates and removes pods the way a Deployment, a scheduler and a kubelet do."""

    def __init__(self, *, desired: int, pool: int, old: int, surge: bool, broken: bool = False) -> None:
        self.desired, self.pool, self.surge, self.broken = desired, pool, surge, broken
        self.asked = {"old": old, "new": 0} if old else {"new": 0}
        self.pods = {"old": min(old, pool), "new": 0}
        self.terminating = {"old": 0, "new": 0}
        self.ready = {"old": min(old, pool), "new": 0}
        self.steps: list[tuple[int, int]] = []
        self.least = self.ready["old"]

    def current(self, name: str) -> Current:
        waiting = max(0, self.asked.get(name, 0) - self.pods[name])
        return Current(
            name, self.asked.get(name, 0), self.pods[name] + self.terminating[name] + waiting, self.ready[name], waiting
        )

    def plan(self) -> Step:
        known = [self.current("old")] if "old" in self.asked or self.terminating["old"] else []
        return next_step(self.desired, self.current("new"), known, surge=self.surge)

    def apply(self, step: Step) -> None:
        self.asked["new"] = step.new
        if "old" in self.asked:
            self.asked["old"] = step.old.get("old", self.asked["old"])
            if self.asked["old"] == 0:
                del self.asked["old"]
        self.steps.append((self.asked.get("old", 0), step.new))
        for name in ("old", "new"):
            surplus = self.pods[name] - self.asked.get(name, 0)
            if surplus > 0:
                self.pods[name] -= surplus
                self.ready[name] = min(self.ready[name], self.pods[name])
                self.terminating[name] += surplus
        self.least = min(self.least, sum(self.ready.values()))

    def settle(self, kind: str) -> bool:
        """One thing happens: a terminating pod is gone, a pod is placed, a pod becomes ready."""
        used = sum(self.pods.values()) + sum(self.terminating.values())
        for name in ("old", "new"):
            if kind == "gone" and self.terminating[name]:
                self.terminating[name] -= 1
                return True
            if kind == "placed" and self.pods[name] < self.asked.get(name, 0) and used < self.pool:
                self.pods[name] += 1
                return True
            fit = name == "old" or not self.broken
            if kind == "ready" and fit and self.ready[name] < self.pods[name]:
                self.ready[name] += 1
                return True
        return False

    def run(self, choose: list[str] | None = None) -> None:
        """Plan and let things happen until nothing changes any more."""
        order = iter(choose or [])
        for _ in range(1000):
            step = self.plan()
            before = dict(self.asked)
            self.apply(step)
            kinds = ["gone", "placed", "ready"]
            first = next(order, "gone")
            happened = any(self.settle(kind) for kind in [first, *kinds])
            if not happened and before == self.asked and not sum(self.terminating.values()):
                return
        raise AssertionError("the rollout never ends")


def changes(world: World) -> list[tuple[int, int]]:
    """The (old, new) replicas asked for, without repetitions."""
    return [step for number, step in enumerate(world.steps) if number == 0 or step != world.steps[number - 1]]


SEQUENCES = [
    pytest.param({"desired": 2, "pool": 9, "old": 0, "surge": True}, [(0, 2)], id="first revision starts whole"),
    pytest.param(
        {"desired": 2, "pool": 9, "old": 2, "surge": True}, [(2, 2), (1, 2), (0, 2)], id="surge beside the old one"
    ),
    pytest.param(
        {"desired": 1, "pool": 1, "old": 1, "surge": False}, [(0, 0), (0, 1)], id="one replica on one GPU recreates"
    ),
    pytest.param(
        {"desired": 2, "pool": 2, "old": 2, "surge": False},
        [(1, 0), (1, 1), (0, 1), (0, 2)],
        id="full pool borrows one GPU at a time",
    ),
    pytest.param(
        {"desired": 3, "pool": 3, "old": 3, "surge": False, "broken": True},
        [(2, 0), (2, 1)],
        id="a new revision that never becomes ready costs one replica",
    ),
    pytest.param(
        {"desired": 5, "pool": 4, "old": 4, "surge": False},
        [(4, 1), (3, 1), (3, 2), (2, 2), (2, 3), (1, 3), (1, 4), (0, 4), (0, 5)],
        id="more replicas than GPUs still moves on",
    ),
    pytest.param({"desired": 0, "pool": 4, "old": 2, "surge": False}, [(0, 0)], id="pausing stops everything"),
]


@pytest.mark.parametrize(("setting", "expected"), SEQUENCES)
def test_sequence(setting: dict[str, int | bool], expected: list[tuple[int, int]]) -> None:
    world = World(**setting)  # type: ignore[arg-type]
    world.run()
    assert changes(world) == expected


def test_a_revision_that_serves_nobody_gives_its_gpus_up_at_once() -> None:
    broken = Current("broken", replicas=1, pods=1)
    good = Current("good", replicas=2, pods=2, ready=2)
    step = next_step(3, Current("new"), [broken, good], surge=False)
    assert step == Step(0, {"broken": 0, "good": 2})
    after = next_step(3, Current("new"), [good], surge=False)
    assert after == Step(1, {"good": 2})


def test_the_revision_with_most_ready_replicas_is_kept() -> None:
    older = Current("older", replicas=2, pods=2, ready=1)
    newer = Current("newer", replicas=2, pods=2, ready=2)
    assert next_step(2, Current("new", 2, 2, 0), [older, newer], surge=True).old == {"newer": 2, "older": 0}


def test_fewer_replicas_are_asked_of_the_new_revision_at_once() -> None:
    assert next_step(1, Current("new", 4, 4, 4), [], surge=False) == Step(1, {})


worlds = st.builds(
    World,
    desired=st.integers(1, 6),
    pool=st.integers(1, 8),
    old=st.integers(0, 6),
    surge=st.booleans(),
)


@given(world=worlds, weather=st.lists(st.sampled_from(["gone", "placed", "ready"]), max_size=60))
@settings(max_examples=400, deadline=None)
def test_every_rollout_ends_with_as_many_new_replicas_as_fit(world: World, weather: list[str]) -> None:
    if world.surge:
        world.pool = 100
    world.run(weather)
    assert world.asked == {"new": world.desired}
    assert world.ready["new"] == min(world.desired, world.pool)


@given(world=worlds, weather=st.lists(st.sampled_from(["gone", "placed", "ready"]), max_size=60))
@settings(max_examples=400, deadline=None)
def test_ready_replicas_never_fall_below_the_promise(world: World, weather: list[str]) -> None:
    if world.surge:
        world.pool = 100
    served = sum(world.ready.values())
    world.run(weather)
    if world.surge:
        assert world.least >= min(served, world.desired)
    else:
        assert world.least >= min(served, world.desired, world.pool) - 1


@given(world=worlds)
def test_the_same_state_gives_the_same_step(world: World) -> None:
    assert world.plan() == world.plan()
