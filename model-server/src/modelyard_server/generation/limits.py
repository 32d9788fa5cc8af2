"""What a generator is given: bounds, and who hears its figures."""

from typing import Protocol

import msgspec

from modelyard_server.errors import BadRequestError, ContextLengthError
from modelyard_server.generation.requests import Request


class Limits(msgspec.Struct, frozen=True):
    """Bounds of queue, step and sequence."""

    max_waiting: int
    """Answers that may wait for a slot."""
    max_step_tokens: int
    queue_timeout: float
    context: int
    """Tokens of prompt and answer together."""

    def check(self, request: Request) -> None:
        """Raise BadRequestError, or ContextLengthError, for a prompt that cannot be answered."""
        count = len(request.prompt)
        if not count:
            raise BadRequestError("prompt: holds no token")
        if count >= self.context:
            raise ContextLengthError(f"prompt: {count} tokens; prompt and answer may have {self.context} together")


class Observer(Protocol):
    """Where figures go."""

    def started(self, waited: float, prompt: int, cached: int) -> None: ...
    def first_token(self, seconds: float) -> None: ...
    def token(self, seconds: float) -> None: ...
    def step(self, tokens: int, seconds: float) -> None: ...
    def rejected(self, reason: str) -> None: ...
