"""One answer while it grows: its tokens, the text that has gone out, and who waits for more."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from math import inf

from modelyard_server.generation.requests import Chosen, FinishReason, Piece, Request, Usage
from modelyard_server.generation.runner import Draw
from modelyard_server.generation.text import Detokeniser, StopTexts
from modelyard_server.passages import TextPassage


class Generation:
    """One answer. Lives on the event loop; `pieces` is for its one reader."""

    def __init__(self, order: int, request: Request, decode: Callable[[Sequence[int]], str], max_tokens: int) -> None:
        self.order = order
        self.request = request
        self.tokens = list(request.prompt)
        self.slot = -1
        self.usage = Usage(len(request.prompt))
        self.arrived = self.began = self.first_token = self.last_token = 0.0
        self.queue_deadline = self.deadline = inf
        self.done = self.cancelled = False
        self._max_tokens = max_tokens
        self._text = Detokeniser(decode)
        self._stops = StopTexts(request.stop)
        self._counts: Counter[int] = Counter()
        self._random = random.Random(request.sampling.seed)  # noqa: S311 (a choice of words, no secret)
        self._pieces: asyncio.Queue[Piece | Exception] = asyncio.Queue()
        self._unsent: list[Chosen] = []

    def begin(self, slot: int, cached: int, now: float) -> None:
        """It has a slot, which holds the first tokens already."""
        self.slot = slot
        self.began = now
        self.usage.cached = cached

    def passage(self) -> TextPassage:
        """Its way so far."""
        usage = self.usage
        ended = self.last_token or time.monotonic()
        return TextPassage(
            self.arrived, self.began, self.first_token, ended, usage.prompt, usage.cached, usage.generated
        )

    def draw(self) -> Draw:
        """How its next token is chosen."""
        sampling = self.request.sampling
        number = self._random.random() if sampling.temperature else 0.0
        counts = dict(self._counts) if sampling.presence_penalty or sampling.frequency_penalty else {}
        return Draw(sampling, counts, self.request.constraint, number)

    def add(self, chosen: Chosen, *, ended: bool) -> None:
        """Its next token; `ended` says that this token stands for the end of the answer."""
        self.tokens.append(chosen.token)
        self._counts[chosen.token] += 1
        self.usage.generated += 1
        if ended and not self.request.ignore_end:
            self._finish("stop", self._release())
            return
        self._unsent.append(chosen)
        text, stopped = self._stops.add(self._text.add(chosen.token))
        if stopped:
            self._finish("stop", text)
        elif self.request.constraint is not None and self.request.constraint.finished:
            self._finish("stop", text + self._release())
        elif self.usage.generated >= self._max_tokens:
            self._finish("length", text + self._release())
        elif text:
            self._send(text, None)

    def fail(self, error: Exception) -> None:
        """It ends with an error; what it has said so far stays said."""
        if not self.done:
            self.done = True
            self._pieces.put_nowait(error)

    async def pieces(self) -> AsyncIterator[Piece]:
        """What it says, piece by piece; the last one has a finish reason. Raises RequestError."""
        while True:
            piece = await self._pieces.get()
            if isinstance(piece, Exception):
                raise piece
            yield piece
            if piece.finish is not None:
                return

    def _release(self) -> str:
        """What was held back, for a character or a stop text that does not come any more."""
        text, stopped = self._stops.add(self._text.flush())
        return text if stopped else text + self._stops.flush()

    def _finish(self, reason: FinishReason, text: str) -> None:
        self.done = True
        self._send(text, reason)

    def _send(self, text: str, reason: FinishReason | None) -> None:
        tokens, self._unsent = tuple(self._unsent), []
        self._pieces.put_nowait(Piece(text, tokens, reason))
