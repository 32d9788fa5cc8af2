"""One step on the inference thread: copies between slots, the network, and a token for each sequence that is due."""

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np

from modelyard_server.generation import sampling
from modelyard_server.generation.chunks import Chunk
from modelyard_server.generation.requests import Chosen, Constraint, Sampling
from modelyard_server.protocol.datatypes import Array


class Network(Protocol):
    """What the steps need of a decoder with its cache."""

    def copy(self, source: int, target: int, tokens: int) -> None:
        """Copy the first tokens of one slot to another."""

    def scores(self, chunks: Sequence[Chunk], wanted: Sequence[int]) -> Array:
        """Compute the chunks; float32 [len(wanted), vocabulary]."""


class Copy(msgspec.Struct, frozen=True):
    """Keys and values that another slot holds already."""

    source: int
    target: int
    tokens: int


class Draw(msgspec.Struct, frozen=True):
    """How the next token of one sequence is chosen."""

    sampling: Sampling
    counts: Mapping[int, int]
    constraint: Constraint | None
    number: float
    """Random, in [0, 1)."""


class Step(msgspec.Struct, frozen=True):
    """All that one step does. `draws` has None where a prompt goes on in the next step."""

    copies: tuple[Copy, ...]
    chunks: tuple[Chunk, ...]
    draws: tuple[Draw | None, ...]


class Outcome(msgspec.Struct, frozen=True):
    """Per chunk a token, an error of its own sequence, or None where none was due."""

    tokens: tuple[Chosen | Exception | None, ...]
    seconds: float


def run(network: Network, step: Step) -> Outcome:
    """Compute one step. A sequence whose sampling fails does not touch the others."""
    started = time.perf_counter()
    for copy in step.copies:
        network.copy(copy.source, copy.target, copy.tokens)
    due = {number: draw for number, draw in enumerate(step.draws) if draw is not None}
    scores = network.scores(step.chunks, list(due))
    found = {number: _token(scores[row], draw) for row, (number, draw) in enumerate(due.items())}
    tokens = tuple(found.get(number) for number in range(len(step.chunks)))
    return Outcome(tokens, time.perf_counter() - started)


def _token(scores: Array, draw: Draw) -> Chosen | Exception:
    """Not a number in the scores would make every later step of the sequence senseless, so it ends there."""
    if not np.isfinite(scores.max()):
        return ArithmeticError("the network's scores are not numbers")
    try:
        allowed = None if draw.constraint is None else draw.constraint.allowed()
        chosen = sampling.choose(scores, draw.sampling, draw.counts, allowed, draw.number)
        if draw.constraint is not None:
            draw.constraint.accept(chosen.token)
    except Exception as error:  # noqa: BLE001 (it is the answer to its request)
        return error
    return chosen
