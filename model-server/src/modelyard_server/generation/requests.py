"""One generation: what is asked for, and what comes back token by token. Frozen; no torch."""

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

FinishReason = Literal["stop", "length"]


class Constraint(Protocol):
    """Which tokens may come next. Used by the inference thread only."""

    def allowed(self) -> bytes | None:
        """One bit per token, little end first; None when every token may come."""

    def accept(self, token: int) -> None:
        """The token that came."""

    @property
    def finished(self) -> bool:
        """Is the text complete, so that only an end token may follow?"""


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How the next token is chosen."""

    temperature: float = 1.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    top_k: int = 0
    """Only so many of the likeliest; 0 means all."""
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    bias: Mapping[int, float] = {}
    """Added to the scores of these tokens."""
    seed: int | None = None
    top_logprobs: int = -1
    """Likeliest tokens to report with each one; 0 reports the chosen one only, -1 none."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One answer to one prompt."""

    prompt: tuple[int, ...]
    max_tokens: int
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    """Texts that end the answer and are not part of it."""
    ignore_end: bool = False
    """Go on to max_tokens, whatever the model says: for measurements."""
    constraint: Constraint | None = None
    timeout: float | None = None
    """Seconds for the whole answer, as the client or the proxy before us gives them."""


class TokenScore(msgspec.Struct, frozen=True):
    """A token and the logarithm of its probability, before temperature and penalties."""

    token: int
    logprob: float


class Chosen(msgspec.Struct, frozen=True):
    """A sampled token; scores only when they were asked for."""

    token: int
    logprob: float = 0.0
    likeliest: tuple[TokenScore, ...] = ()


class Piece(msgspec.Struct, frozen=True):
    """What one step adds to an answer. `text` may be empty: a character can take several tokens, and a text that may
    become a stop text is held back."""

    text: str
    tokens: tuple[Chosen, ...] = ()
    finish: FinishReason | None = None


class Usage(msgspec.Struct):
    """What an answer took; filled in while it grows."""

    prompt: int
    cached: int = 0
    """Tokens of the prompt whose keys and values were there already."""
    generated: int = 0
