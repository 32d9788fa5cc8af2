"""The planner of rollouts: exact sequences by name, and promises under random pools, orders of events and edits."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard_operator.rollout import Asked, Current, Strategy, next_step
from unit.controller.pool import EVENTS, World

SEQUENCES = [
    pytest.param({"desired": 2, "pool": 9, "old": 0}, [(0, 2)], id="the first revision starts whole"),
    pytest.param({"desired": 0, "pool": 4, "old": 2}, [(0, 0)], id="pausing the model stops everything"),
    pytest.param(
        {"desired": 2, "pool": 9, "old": 2, "gpus": False},
        [(2, 2), (1, 2), (0, 2)],
        id="Auto without GPUs surges",
    ),
    pytest.param(
        {"desired": 2, "pool": 4, "old": 2, "strategy": "Surge"},
        [(2, 2), (1, 2), (0, 2)],
        id="Surge with GPUs and room for all",
    ),
    pytest.param({"desired": 2, "pool": 2, "old": 2, "strategy": "Surge"}, [(2, 2)], id="Surge without room waits"),
    pytest.param(
        {"desired": 2, "pool": 3, "old": 2},
        [(2, 1), (1, 1), (1, 2), (0, 2)],
        id="Auto with room for one more loses no replica",
    ),
    pytest.param(
        {"desired": 2, "pool": 2, "old": 2},
        [(2, 1), (1, 1), (1, 2), (0, 2)],
        id="Auto on a full pool borrows one GPU after the other",
    ),
    pytest.param({"desired": 1, "pool": 1, "old": 1}, [(1, 1), (0, 1)], id="Auto with one replica on a full pool"),
    pytest.param({"desired": 1, "pool": 2, "old": 1}, [(1, 1), (0, 1)], id="Auto with one replica and room"),
    pytest.param(
        {"desired": 5, "pool": 4, "old": 5},
        [(5, 1), (4, 1), (4, 2), (3, 2), (3, 3), (2, 3), (2, 4), (1, 4), (1, 5), (0, 5)],
        id="Auto moves on where the pool never held all replicas",
    ),
    pytest.param(
        {"desired": 3, "pool": 3, "old": 3, "broken": True},
        [(3, 1), (2, 1), (2, 2)],
        id="a new revision that never becomes ready costs one replica of a full pool",
    ),
    pytest.param(
        {"desired": 3, "pool": 4, "old": 3, "broken": True}, [(3, 1)], id="and none where there is room beside"
    ),
    pytest.param(
        {"desired": 2, "pool": 2, "old": 2, "strategy": "Borrow"},
        [(1, 0), (1, 1), (0, 1), (0, 2)],
        id="Borrow takes one away first",
    ),
    pytest.param(
        {"desired": 2, "pool": 9, "old": 2, "strategy": "Borrow"},
        [(1, 0), (1, 1), (0, 1), (0, 2)],
        id="Borrow does so even with room",
    ),
    pytest.param(
        {"desired": 3, "pool": 3, "old": 3, "strategy": "Recreate"},
        [(0, 0), (0, 3)],
        id="Recreate takes all away first",
    ),
]


@pytest.mark.parametrize(("setting", "expected"), SEQUENCES)
def test_sequence(setting: dict[str, Any], expected: list[tuple[int, int]]) -> None:
    world = World(**setting)
    world.settle()
    assert world.changes() == expected


def full(**over: Any) -> Current:
    """A new replica that found no room."""
    return Current("new", **({"replicas": 1, "pods": 1, "waiting": 1, "no_room": 1} | over))


OLD = Current("old", replicas=2, pods=2, ready=2, proven=True)
MESSAGES = [
    pytest.param(Asked(2), Current("new"), OLD, "Surge", "new replicas start beside", id="without GPUs"),
    pytest.param(Asked(2, "Surge", gpus=True), full(), OLD, "Surge", "would give them old", id="Surge that waits"),
    pytest.param(Asked(2, gpus=True, served=2), Current("new"), OLD, "Surge", "is tried beside", id="Auto tries"),
    pytest.param(Asked(2, gpus=True, served=2), full(), OLD, "Borrow", "so one old replica gives its GPU", id="full"),
    pytest.param(
        Asked(1, gpus=True, served=1),
        full(),
        OLD._replace(replicas=1, pods=1, ready=1),
        "Recreate",
        "so the only old one gives its GPU",
        id="one replica",
    ),
    pytest.param(Asked(2, "Borrow"), Current("new"), OLD, "Borrow", "gives its place", id="Borrow"),
    pytest.param(Asked(2, "Recreate"), Current("new"), OLD, "Recreate", "go before", id="Recreate"),
    pytest.param(Asked(2, paused=True), Current("new"), OLD, "Auto", "rollout.paused is set", id="paused"),
]


@pytest.mark.parametrize(("asked", "new", "old", "strategy", "words"), MESSAGES)
def test_a_step_says_which_strategy_and_why(
    asked: Asked, new: Current, old: Current, strategy: str, words: str
) -> None:
    step = next_step(asked, new, [old])
    assert step.strategy == strategy
    assert words in step.message


NO_STEP = [
    pytest.param(full(no_room=0), OLD, id="the scheduler has not looked at the new pod yet"),
    pytest.param(full(replicas=2, pods=2, waiting=2), OLD, id="nor at the second one"),
    pytest.param(full(pods=0, waiting=0), OLD, id="the new pod is not made yet"),
    pytest.param(full(replicas=2, pods=2), OLD._replace(pods=1, replicas=1, ready=1), id="a new pod still starts"),
    pytest.param(full(), OLD._replace(pods=3), id="an old pod is still leaving"),
    pytest.param(
        full(replicas=2, pods=2, waiting=2, no_room=2),
        OLD._replace(ready=1, replicas=1, pods=1),
        id="the GPU that was given went to somebody else",
    ),
]


@pytest.mark.parametrize(("new", "old"), NO_STEP)
def test_no_further_replica_is_taken_while(new: Current, old: Current) -> None:
    assert next_step(Asked(2, gpus=True, served=2), new, [old]).old == {"old": old.replicas}


def test_an_old_replica_that_answers_nobody_may_go_though_one_is_missing() -> None:
    sick = OLD._replace(ready=0)
    assert next_step(Asked(2, gpus=True, served=2), full(), [sick]).old == {"old": 1}


def test_not_even_such_a_replica_goes_while_a_new_one_starts() -> None:
    sick = OLD._replace(ready=1)
    assert next_step(Asked(3, gpus=True, served=2), full(replicas=2, pods=2), [sick]).old == {"old": 2}


def test_a_revision_that_serves_nobody_gives_its_gpus_up_at_once() -> None:
    broken = Current("broken", replicas=1, pods=1)
    good = Current("good", replicas=2, pods=2, ready=2)
    asked = Asked(3, gpus=True, served=2)
    step = next_step(asked, Current("new"), [broken, good])
    assert (step.new, step.old) == (1, {"good": 2, "broken": 0})


def test_a_blip_of_a_revision_that_served_does_not_end_it() -> None:
    away = Current("old", replicas=2, pods=2, ready=0, proven=True)
    assert next_step(Asked(2, gpus=True, served=2), Current("new", 1, 1), [away]).old == {"old": 2}


def test_the_revision_with_most_ready_replicas_is_kept() -> None:
    older = Current("older", replicas=2, pods=2, ready=1)
    newer = Current("newer", replicas=2, pods=2, ready=2)
    assert next_step(Asked(2), Current("new", 2, 2, 0), [older, newer]).old == {"newer": 2, "older": 0}


def test_ready_replicas_are_kept_before_others() -> None:
    one = Current("a", replicas=2, pods=2, ready=1)
    two = Current("b", replicas=2, pods=2, ready=1)
    assert next_step(Asked(2), Current("new", 2, 2, 0), [one, two]).old == {"a": 1, "b": 1}


def test_fewer_replicas_are_asked_of_the_new_revision_at_once() -> None:
    step = next_step(Asked(1, gpus=True), Current("new", 4, 4, 4), [])
    assert (step.new, step.old) == (1, {})


PAUSED = [
    pytest.param(2, Current("new"), (0, 2), id="nothing has begun"),
    pytest.param(2, Current("new", 1, 1, 0), (1, 2), id="the new replica is not ready"),
    pytest.param(2, Current("new", 1, 1, 1), (1, 1), id="it is"),
    pytest.param(4, Current("new", 1, 1, 1), (1, 3), id="more replicas go to the old one"),
    pytest.param(1, Current("new", 2, 2, 2), (1, 0), id="fewer replicas are taken from it"),
]


@pytest.mark.parametrize(("desired", "new", "expected"), PAUSED)
@pytest.mark.parametrize("strategy", ["Auto", "Surge", "Borrow", "Recreate"])
def test_a_paused_rollout_stays_where_it_is(
    strategy: Strategy, desired: int, new: Current, expected: tuple[int, int]
) -> None:
    step = next_step(Asked(desired, strategy, gpus=True, paused=True), new, [OLD])
    assert (step.new, sum(step.old.values())) == expected


def test_a_paused_model_without_an_older_revision_starts() -> None:
    assert next_step(Asked(2, paused=True), Current("new"), []).new == 2


STRATEGIES: list[Strategy] = ["Auto", "Surge", "Borrow", "Recreate"]
weathers = st.lists(st.sampled_from(EVENTS), max_size=80)
worlds = st.builds(
    World,
    desired=st.integers(1, 6),
    pool=st.integers(1, 8),
    old=st.integers(0, 6),
    strategy=st.sampled_from(STRATEGIES),
    gpus=st.booleans(),
)
edits = st.lists(
    st.tuples(
        st.lists(st.sampled_from(EVENTS), max_size=12),
        st.one_of(
            st.tuples(st.just("desired"), st.integers(1, 6)),
            st.tuples(st.just("strategy"), st.sampled_from(STRATEGIES)),
            st.tuples(st.just("target"), st.sampled_from(["new", "third", "old"])),
            st.tuples(st.just("paused"), st.booleans()),
        ),
    ),
    max_size=4,
)


def surges(world: World) -> bool:
    return world.strategy == "Surge" or (world.strategy == "Auto" and not world.gpus)


def promised(world: World) -> int:
    """Ready replicas below which the planner itself never goes."""
    most = min(world.desired, max(world.served, world.ready))
    if surges(world):
        return most
    return 0 if world.strategy == "Recreate" else most - 1


def edited(world: World, changes: list[tuple[list[str], tuple[str, Any]]]) -> None:
    """Change what is asked for in the middle, after some things have happened."""
    for weather, (name, value) in changes:
        for kind in weather:
            world.take(world.plan())
            world.happen(kind)
        if name == "target":
            world.begin(value)
        else:
            setattr(world, name, value)
    world.paused = False


@given(world=worlds, weather=weathers, changes=edits)
@settings(max_examples=600, deadline=None)
def test_every_rollout_ends_with_as_many_new_replicas_as_fit(
    world: World, weather: list[str], changes: list[tuple[list[str], tuple[str, Any]]]
) -> None:
    edited(world, changes)
    if surges(world):
        # Surge promises no end without room beside the old revisions.
        world.pool = 100
    world.settle(weather)
    assert set(world.revisions) == {world.target}
    assert world.revisions[world.target].asked == world.desired
    assert world.ready == min(world.desired, world.pool)


@given(world=worlds, weather=weathers, changes=edits, thefts=st.lists(st.booleans(), max_size=80))
@settings(max_examples=600, deadline=None)
def test_ready_replicas_are_never_taken_below_the_promise(
    world: World, weather: list[str], changes: list[tuple[list[str], tuple[str, Any]]], thefts: list[bool]
) -> None:
    edited(world, changes)
    for kind, theft in zip(weather, [*thefts, *[False] * len(weather)], strict=False):
        # Somebody else takes a GPU as soon as it is free.
        world.pool -= theft and world.held < world.pool
        step, promise = world.plan(), promised(world)
        if world.take(step):
            assert world.ready >= promise
        world.happen(kind)


@given(world=worlds, weather=weathers)
@settings(max_examples=200, deadline=None)
def test_a_broken_revision_takes_at_most_one_replica(world: World, weather: list[str]) -> None:
    world.revisions["new"].broken = True
    world.strategy = "Auto"
    least = min(world.desired, world.ready) - 1
    world.settle(weather)
    assert world.ready >= least


@given(world=worlds, weather=weathers)
@settings(max_examples=200, deadline=None)
def test_with_gpus_one_replica_more_than_asked_for_is_tried_at_most(world: World, weather: list[str]) -> None:
    world.strategy, world.gpus = "Auto", True
    for kind in weather:
        step = world.plan()
        world.take(step)
        world.happen(kind)
        # An old revision that was larger shrinks only as new replicas become ready.
        assert step.new <= max(0, world.desired + 1 - sum(step.old.values())) or sum(step.old.values()) > world.desired


@given(world=worlds)
def test_the_same_state_gives_the_same_step(world: World) -> None:
    assert world.plan() == world.plan()
