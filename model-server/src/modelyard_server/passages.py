"""A request's way through the server, in seconds of the monotonic clock: what tracing is told."""

from collections.abc import Callable

import msgspec


class Passage(msgspec.Struct, frozen=True):
    """Through the queue and the model, in one batch."""

    enqueued: float
    dispatched: float
    forwarded: float
    """When the model began."""
    done: float
    """When the model ended."""
    rows: int
    """Of the whole batch."""
    requests: int


class TextPassage(msgspec.Struct, frozen=True):
    """Of one generated answer. What did not come to be is 0: an answer may end before it has a slot, or a token."""

    arrived: float
    began: float
    """When it got its slot."""
    first: float
    """When its first token was there."""
    ended: float
    """When its last token was there, or it ended without one."""
    prompt: int
    """Tokens of the prompt, and how many of them the cache held already."""
    cached: int
    generated: int


Passed = Callable[[Passage | TextPassage], None]
"""Is told the times of a request that has run."""
