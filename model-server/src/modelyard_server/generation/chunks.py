"""What one sequence adds in a step: the word between planner, runner and network."""

from collections.abc import Sequence
from typing import NamedTuple


class Chunk(NamedTuple):
    """Tokens for `slot`, which holds `start` tokens already."""

    slot: int
    start: int
    tokens: Sequence[int]
