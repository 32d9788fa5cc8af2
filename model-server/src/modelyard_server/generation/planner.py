"""What the next step computes. Pure: state comes in, a plan goes out.

Iteration-level scheduling (Yu et al., "Orca", 2022) with chunked prompts (Agrawal et al., "Sarathi-Serve", 2024):
sequences that answer add one token each, in every step; what is left of the step's token budget is shared among
prompts. So an answer never waits for a long prompt, and a short prompt does not wait for a long one before it. A slot
has room for a whole sequence, therefore nothing that has begun is ever put back.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

SHARED = 32
"""Tokens that two prompts must share for the second to wait until the first has computed them."""


class Slot(msgspec.Struct):
    """One sequence's place in the cache. `tokens` are those whose keys and values it holds, also after its sequence
    has left; `used` says in which step it was last computed."""

    tokens: list[int] = []
    busy: bool = False
    used: int = 0


class Sequence_(Protocol):  # noqa: N801 (the typing name is taken)
    """What the planner knows of one generation."""

    @property
    def order(self) -> int:
        """Place in the order of arrival."""

    @property
    def tokens(self) -> Sequence[int]:
        """Prompt and answer so far."""

    @property
    def slot(self) -> int:
        """Its slot once it runs."""


class Work(msgspec.Struct, frozen=True):
    """One sequence's part of a step: its next `count` tokens; `last` when a new token comes out of them."""

    order: int
    slot: int
    start: int
    count: int
    last: bool


class Admission(msgspec.Struct, frozen=True):
    """A waiting sequence gets a slot. `cached` tokens are there already: in the slot, or in `source`, to be copied."""

    order: int
    slot: int
    cached: int
    source: int


def admit(waiting: Iterable[Sequence_], running: Iterable[Sequence_], slots: Sequence[Slot]) -> list[Admission]:
    """Who starts, in order of arrival, while there are free slots.

    A prompt that shares its beginning with one that came before and is just being computed waits for it, and keeps a
    slot free meanwhile. Only those that came before can hold it up, so it starts at last.
    """
    seen = list(slots)
    computing = [one for one in running if len(slots[one.slot].tokens) < len(one.tokens) - 1]
    found: list[Admission] = []
    held = 0
    for one in waiting:
        if sum(not slot.busy for slot in seen) <= held:
            break
        placed = place(one.tokens, seen)
        ahead = max((common(one.tokens, other.tokens) for other in computing if other.order < one.order), default=0)
        if ahead >= placed.cached + SHARED:
            held += 1
            continue
        # Those behind see what this slot will hold then; copies are made in the order of admission.
        seen[placed.slot] = Slot(list(one.tokens[: placed.cached]), busy=True)
        computing.append(one)
        found.append(msgspec.structs.replace(placed, order=one.order))
    return found


def place(tokens: Sequence[int], slots: Sequence[Slot]) -> Admission:
    """The slot for a prompt, and where its beginning comes from; at least one slot must be free.

    A free slot that holds little else than this beginning goes on where it is. Otherwise the beginning is copied to
    the free slot that was used longest ago: what the other slot holds may be of use to its own conversation.
    """
    shared = [min(common(tokens, slot.tokens), len(tokens) - 1) for slot in slots]
    free = sorted((number for number, slot in enumerate(slots) if not slot.busy), key=lambda n: (slots[n].used, n))
    best = max(range(len(slots)), key=lambda number: (shared[number], not slots[number].busy))
    cached = shared[best]
    if not cached:
        return Admission(0, free[0], 0, free[0])
    if best in free and (len(free) == 1 or 2 * cached >= len(slots[best].tokens)):
        return Admission(0, best, cached, best)
    target = next(number for number in free if number != best)
    return Admission(0, target, cached, best)


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the common beginning."""
    limit = min(len(first), len(second))
    if first[:limit] == second[:limit]:
        return limit
    low, high = 0, limit  # equal up to `low`, different somewhere before `high`
    while high - low > 1:
        middle = (low + high) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle
    return low


def schedule(running: Iterable[Sequence_], slots: Sequence[Slot], budget: int) -> list[Work]:
    """The parts of one step: answers first, by slot, then prompts. `budget` must be at least the number of slots."""
    ordered = sorted(running, key=lambda one: one.slot)
    needs = [(one, len(one.tokens) - len(slots[one.slot].tokens)) for one in ordered]
    answers = [(one, 1) for one, need in needs if need == 1]
    prompts = sorted(((one, need) for one, need in needs if need > 1), key=lambda part: part[0].order)
    shares = share([need for _, need in prompts], budget - len(answers))
    parts = answers + [(one, count) for (one, _), count in zip(prompts, shares, strict=True) if count]
    works = []
    for one, count in parts:
        start = len(slots[one.slot].tokens)
        works.append(Work(one.order, one.slot, start, count, start + count == len(one.tokens)))
    return works


def share(needs: Sequence[int], budget: int) -> list[int]:
    """Divide a budget: equal parts, what one does not need goes to the others, what is left over to the first."""
    given = [0] * len(needs)
    while budget > 0 and (hungry := [n for n, need in enumerate(needs) if given[n] < need]):
        part = max(1, budget // len(hungry))
        for number in hungry:
            more = min(part, needs[number] - given[number], budget)
            given[number] += more
            budget -= more
    return given
