"""The scheduler of generation: exact sequences of steps, and what must hold in all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard_server.generation import planner
from modelyard_server.generation.planner import Admission, Slot, Work


@dataclass
class Fake:
    order: int
    tokens: Sequence[int]
    slot: int = -1
    answer: int = 1
    made: list[int] = field(default_factory=list)


def prompt(order: int, length: int, first: int = 0) -> Fake:
    """A prompt of its own: no other begins alike."""
    return Fake(order, [1000 * order + first + n for n in range(length)])


def slots(*contents: Sequence[int] | None) -> list[Slot]:
    """A slot for each content; None is a busy one. The first was used longest ago."""
    return [
        Slot([] if one is None else list(one), busy=one is None, used=number) for number, one in enumerate(contents)
    ]


class Machine:
    """Plays the network: every due sequence gets one more token, and leaves when its answer is long enough."""

    def __init__(self, count: int, budget: int) -> None:
        self.slots = [Slot() for _ in range(count)]
        self.waiting: list[Fake] = []
        self.running: list[Fake] = []
        self.finished: list[int] = []
        self.budget = budget
        self.steps = 0

    def step(self) -> list[Work]:
        for admission in planner.admit(self.waiting, self.running, self.slots):
            one = next(fake for fake in self.waiting if fake.order == admission.order)
            source = self.slots[admission.source]
            assert list(one.tokens[: admission.cached]) == source.tokens[: admission.cached]
            assert not self.slots[admission.slot].busy
            one.slot = admission.slot
            self.slots[admission.slot] = Slot(list(one.tokens[: admission.cached]), busy=True, used=self.steps)
            self.waiting.remove(one)
            self.running.append(one)
        works = planner.schedule(self.running, self.slots, self.budget)
        assert sum(work.count for work in works) <= self.budget
        assert len({work.slot for work in works}) == len(works)
        for work in works:
            one = next(fake for fake in self.running if fake.order == work.order)
            slot = self.slots[work.slot]
            assert (work.start, work.slot) == (len(slot.tokens), one.slot)
            slot.tokens += one.tokens[work.start : work.start + work.count]
            slot.used = self.steps
            assert work.last == (len(slot.tokens) == len(one.tokens))
            if work.last:
                one.made.append(self.steps)
                one.tokens = [*one.tokens, -one.order * 1000 - len(one.made)]
        for one in [fake for fake in self.running if len(fake.made) >= fake.answer]:
            self.running.remove(one)
            self.slots[one.slot].busy = False
            self.finished.append(one.order)
        self.steps += 1
        return works


def test_a_new_request_joins_between_steps_and_a_finished_one_leaves() -> None:
    machine = Machine(2, 8)
    first, second = prompt(1, 3), prompt(2, 2)
    first.answer, second.answer = 4, 2
    machine.waiting = [first]
    assert machine.step() == [Work(1, 0, 0, 3, True)]
    machine.waiting.append(second)
    assert machine.step() == [Work(1, 0, 3, 1, True), Work(2, 1, 0, 2, True)]
    assert machine.step() == [Work(1, 0, 4, 1, True), Work(2, 1, 2, 1, True)]
    assert machine.step() == [Work(1, 0, 5, 1, True)]
    assert machine.step() == []
    assert machine.finished == [2, 1]


def test_a_long_prompt_is_cut_into_chunks_and_holds_up_no_answer() -> None:
    machine = Machine(2, 4)
    answering, long = prompt(1, 1), prompt(2, 8)
    answering.answer = 9
    machine.waiting = [answering, long]
    assert machine.step() == [Work(1, 0, 0, 1, True), Work(2, 1, 0, 3, False)]
    assert machine.step() == [Work(1, 0, 1, 1, True), Work(2, 1, 3, 3, False)]
    assert machine.step() == [Work(1, 0, 2, 1, True), Work(2, 1, 6, 2, True)]


def test_a_short_prompt_does_not_wait_for_a_long_one_before_it() -> None:
    machine = Machine(2, 10)
    machine.waiting = [prompt(1, 100), prompt(2, 4)]
    assert machine.step() == [Work(1, 0, 0, 6, False), Work(2, 1, 0, 4, True)]


def test_more_requests_than_slots_start_in_order_of_arrival() -> None:
    machine = Machine(2, 8)
    machine.waiting = [prompt(number, 2) for number in (1, 2, 3, 4)]
    assert [work.order for work in machine.step()] == [1, 2]
    assert [work.order for work in machine.step()] == [3, 4]
    assert machine.finished == [1, 2, 3, 4]


def test_a_free_slot_that_holds_the_beginning_goes_on_where_it_is() -> None:
    waiting = [Fake(1, [1, 2, 3, 4, 5])]
    assert planner.admit(waiting, [], slots([9, 9], [1, 2, 3])) == [Admission(1, 1, 3, 1)]


def test_the_last_token_of_a_prompt_is_always_computed() -> None:
    assert planner.admit([Fake(1, [1, 2, 3])], [], slots([1, 2, 3])) == [Admission(1, 0, 2, 0)]


def test_a_beginning_is_copied_from_a_slot_that_is_busy() -> None:
    busy = Slot([1, 2, 3, 4], busy=True)
    running = [Fake(1, [1, 2, 3, 4, 8], slot=0)]
    waiting = [Fake(2, [1, 2, 3, 7])]
    assert planner.admit(waiting, running, [busy, Slot()]) == [Admission(2, 1, 3, 0)]


def test_a_long_conversation_keeps_its_slot_when_another_shares_only_its_beginning() -> None:
    conversation = [1, 2, *range(50, 60)]
    assert planner.admit([Fake(1, [1, 2, 3])], [], slots(conversation, [7], [8])) == [Admission(1, 1, 2, 0)]


def test_the_slot_used_longest_ago_is_taken_when_nothing_fits() -> None:
    assert planner.admit([Fake(1, [1, 2])], [], slots(None, [7], [8])) == [Admission(1, 1, 0, 1)]


def test_two_admissions_of_one_step_do_not_use_the_same_slot() -> None:
    waiting = [Fake(1, [1, 2, 3, 4]), Fake(2, [1, 2, 3, 5])]
    found = planner.admit(waiting, [], slots([1, 2, 3], [6]))
    assert found == [Admission(1, 0, 3, 0), Admission(2, 1, 3, 0)]


def test_a_prompt_waits_for_the_one_that_computes_its_beginning() -> None:
    shared = list(range(3 * planner.SHARED))
    machine = Machine(3, 50)
    machine.waiting = [Fake(1, [*shared, 100]), Fake(2, [*shared, 200]), Fake(3, [7, 8])]
    assert machine.step() == [Work(1, 0, 0, 48, False), Work(3, 1, 0, 2, True)]
    assert machine.step() == [Work(1, 0, 48, 49, True)]
    assert machine.step() == [Work(2, 0, 96, 1, True)]


def test_those_who_wait_for_a_beginning_keep_a_slot_free() -> None:
    shared = list(range(planner.SHARED))
    machine = Machine(2, 20)
    machine.waiting = [Fake(1, [*shared, 100]), Fake(2, [*shared, 200]), Fake(3, [7, 8])]
    assert [work.order for work in machine.step()] == [1]


@pytest.mark.parametrize(
    ("needs", "budget", "shares"),
    [
        ([5], 3, [3]), ([2, 9], 8, [2, 6]), ([9, 9], 7, [4, 3]), ([9, 9, 9], 2, [1, 1, 0]), ([1, 1], 9, [1, 1]),
        ([], 4, []),
    ],
)  # fmt: skip
def test_a_budget_is_shared_evenly(needs: list[int], budget: int, shares: list[int]) -> None:
    assert planner.share(needs, budget) == shares


@given(st.lists(st.integers(0, 3), max_size=40), st.lists(st.integers(0, 3), max_size=40))
def test_the_common_beginning_is_found(first: list[int], second: list[int]) -> None:
    plain = 0
    while plain < min(len(first), len(second)) and first[plain] == second[plain]:
        plain += 1
    assert planner.common(first, second) == plain


# Few different tokens and lengths around SHARED, so that beginnings are often shared.
requests = st.lists(
    st.tuples(st.integers(1, 80), st.integers(0, 2), st.integers(1, 5), st.integers(0, 6)), min_size=1, max_size=12
)


@settings(max_examples=50)
@given(requests, st.integers(1, 4), st.integers(0, 30))
def test_every_request_ends_and_no_step_is_too_large(
    asked: list[tuple[int, int, int, int]], count: int, more: int
) -> None:
    machine = Machine(count, count + more)
    arrivals = []
    for order, (length, kind, answer, pause) in enumerate(asked, start=1):
        tokens = [kind * 500 + n for n in range(length)]
        if order % 2:
            tokens[-1] = -order
        arrivals += [None] * pause + [Fake(order, tokens, answer=answer)]
    work = sum(length + answer for length, _, answer, _ in asked)
    for arrival in arrivals:
        if arrival is not None:
            machine.waiting.append(arrival)
        machine.step()
    for _ in range(work):
        machine.step()
    assert sorted(machine.finished) == list(range(1, len(asked) + 1))


@settings(max_examples=50)
@given(requests, st.integers(1, 4))
def test_an_answer_that_has_begun_grows_in_every_step(asked: list[tuple[int, int, int, int]], count: int) -> None:
    machine = Machine(count, count + 3)
    fakes = [Fake(order, [kind * 500 + n for n in range(length)], answer=answer)
             for order, (length, kind, answer, _) in enumerate(asked, start=1)]  # fmt: skip
    machine.waiting = list(fakes)
    while machine.waiting or machine.running:
        machine.step()
    for fake in fakes:
        assert fake.made == list(range(fake.made[0], fake.made[0] + fake.answer))
