"""Which token looks at what in one step. The plan is made once, each layer follows it.

Sequences that add one token (they are answering) are attended together, over a range of neighbouring slots with a mask
for their lengths, or one by one where lengths differ so much that the mask would hide most of the work. Chunks of
several tokens (prompts) are attended one by one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from modelyard_server.generation.chunks import Chunk

ALONE = 192
"""What a call of its own costs, in tokens read; measured on two CPU cores with heads of 64."""


class Together(NamedTuple):
    """One-token sequences as one call. `rows` are their tokens, `seats` their slots counted from `low`."""

    rows: Tensor
    seats: Tensor
    mask: Tensor
    low: int
    high: int
    length: int
    full: bool
    """Is every slot of the range taken, in order, by the first tokens of the step? Then nothing needs to be moved."""


class Alone(NamedTuple):
    """One sequence as one call."""

    first: int
    end: int
    slot: int
    length: int
    mask: Tensor | None
    causal: bool


class Plan(NamedTuple):
    """A step: all tokens in a row, with their positions and their places in the cache, and the attention calls."""

    tokens: Tensor
    positions: Tensor
    places: Tensor
    last: Tensor
    together: Together | None
    alone: list[Alone]
    context: int


def plan(chunks: Sequence[Chunk], context: int, dtype: torch.dtype, device: torch.device) -> Plan:
    """Lay out one step; chunks of one token should come first, by slot."""
    firsts: list[int] = []
    tokens: list[int] = []
    positions: list[int] = []
    places: list[int] = []
    for chunk in chunks:
        firsts.append(len(tokens))
        tokens += chunk.tokens
        ahead = range(chunk.start, chunk.start + len(chunk.tokens))
        positions += ahead
        places += [chunk.slot * context + position for position in ahead]
    single = [n for n, chunk in enumerate(chunks) if len(chunk.tokens) == 1]
    grouped = single if together_is_cheaper([(chunks[n].slot, chunks[n].start + 1) for n in single]) else []
    joined = _together([chunks[n] for n in grouped], [firsts[n] for n in grouped], dtype, device) if grouped else None
    taken = set(grouped)
    alone = [_alone(chunk, firsts[n], device) for n, chunk in enumerate(chunks) if n not in taken]
    last = [first + len(chunk.tokens) - 1 for first, chunk in zip(firsts, chunks, strict=True)]
    numbers = [torch.tensor(values, device=device) for values in (tokens, positions, places, last)]
    return Plan(numbers[0], numbers[1], numbers[2], numbers[3], joined, alone, context)


def together_is_cheaper(sequences: Sequence[tuple[int, int]]) -> bool:
    """One call over a range of slots, or one call for each (slot, length)?"""
    if len(sequences) < 2:
        return False
    slots = [slot for slot, _ in sequences]
    lengths = [length for _, length in sequences]
    return (max(slots) - min(slots) + 1) * max(lengths) + ALONE < sum(length + ALONE for length in lengths)


def _together(chunks: Sequence[Chunk], rows: list[int], dtype: torch.dtype, device: torch.device) -> Together:
    slots = [chunk.slot for chunk in chunks]
    low, high = min(slots), max(slots) + 1
    length = max(chunk.start for chunk in chunks) + 1
    lengths = torch.ones(high - low, dtype=torch.long)
    seats = torch.tensor(slots) - low
    lengths[seats] = torch.tensor([chunk.start + 1 for chunk in chunks])
    hidden = torch.arange(length)[None, :] >= lengths[:, None]
    mask = torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, float("-inf"))[:, None, None, :].to(device)
    full = slots == list(range(low, high)) and rows == list(range(len(rows)))
    return Together(torch.tensor(rows, device=device), seats.to(device), mask, low, high, length, full)


def _alone(chunk: Chunk, first: int, device: torch.device) -> Alone:
    count = len(chunk.tokens)
    length = chunk.start + count
    mask = None
    if count > 1 and chunk.start:
        seen = torch.arange(length, device=device)[None, :]
        mask = seen <= torch.arange(chunk.start, length, device=device)[:, None]
    return Alone(first, first + count, chunk.slot, length, mask, count > 1 and chunk.start == 0)


def attend(plan: Plan, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention of one layer: queries [tokens, heads, size] over the cache [slots * context, kv_heads, size]."""
    if plan.together is not None and plan.together.full and not plan.alone:
        return _attend_together(plan.together, queries, (keys, values), plan.context)
    found = torch.empty_like(queries)
    if plan.together is not None:
        found[plan.together.rows] = _attend_together(
            plan.together, queries[plan.together.rows], (keys, values), plan.context
        )
    for one in plan.alone:
        found[one.first : one.end] = _attend_alone(one, queries[one.first : one.end], (keys, values), plan.context)
    return found


def _attend_together(group: Together, queries: Tensor, cache: tuple[Tensor, Tensor], context: int) -> Tensor:
    """Grouped queries stand in the place of positions: one key serves `heads / kv_heads` of them."""
    count, heads, size = queries.shape
    kv_heads = cache[0].shape[1]
    keys, values = (
        tensor.view(-1, context, kv_heads, size)[group.low : group.high, : group.length].transpose(1, 2)
        for tensor in cache
    )
    grouped = queries.reshape(count, kv_heads, heads // kv_heads, size)
    if not group.full:
        spread = grouped.new_zeros((group.high - group.low, *grouped.shape[1:]))
        spread[group.seats] = grouped
        grouped = spread
    mask = group.mask.expand(-1, 1, grouped.shape[2], -1)
    found = functional.scaled_dot_product_attention(grouped, keys, values, attn_mask=mask)
    if not group.full:
        found = found[group.seats]
    return found.reshape(count, heads, size)


def _attend_alone(one: Alone, queries: Tensor, cache: tuple[Tensor, Tensor], context: int) -> Tensor:
    count, heads, size = queries.shape
    begin = one.slot * context
    keys, values = (tensor[begin : begin + one.length].transpose(0, 1)[None] for tensor in cache)
    if count == 1:
        grouped = queries.reshape(1, keys.shape[1], -1, size)
        return functional.scaled_dot_product_attention(grouped, keys, values).reshape(1, heads, size)
    found = functional.scaled_dot_product_attention(
        queries.transpose(0, 1)[None], keys, values, attn_mask=one.mask, is_causal=one.causal, enable_gqa=True
    )
    return found[0].transpose(0, 1)
