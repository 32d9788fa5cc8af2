"""Tokens to text as they come: whole characters only, and nothing that may still become a stop text. Pure."""

from collections.abc import Callable, Sequence

HALF = "\ufffd"
"""What a decoder writes for bytes that are not a whole character yet."""
LONGEST = 16
"""Tokens after which bytes that still make no character are given out as they are."""
CONTEXT = 4
"""Tokens before the new ones that are decoded with them: some decoders treat the first of a text differently."""


class Detokeniser:
    """Turns the tokens of one answer into text, piece by piece."""

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._tokens: list[int] = []
        self._begin = 0
        self._done = 0

    def add(self, token: int) -> str:
        """The text that this token completes; often empty, when characters take several tokens."""
        self._tokens.append(token)
        before = self._decode(self._tokens[self._begin : self._done])
        text = self._decode(self._tokens[self._begin :])
        if text.endswith(HALF) and len(self._tokens) - self._done < LONGEST:
            return ""
        return self._give(before, text)

    def flush(self) -> str:
        """What is left at the end."""
        before = self._decode(self._tokens[self._begin : self._done])
        return self._give(before, self._decode(self._tokens[self._begin :]))

    def _give(self, before: str, text: str) -> str:
        self._begin = max(0, len(self._tokens) - CONTEXT)
        self._done = len(self._tokens)
        return text[len(before) :]


class StopTexts:
    """Lets text through up to the first stop text."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = tuple(text for text in texts if text)
        self._held = ""

    def add(self, text: str) -> tuple[str, bool]:
        """Text that may go out, and whether a stop text was met."""
        if not self._texts:
            return text, False
        held = self._held + text
        found = [at for stop in self._texts if (at := held.find(stop)) >= 0]
        if found:
            self._held = ""
            return held[: min(found)], True
        keep = max(overlap(held, stop) for stop in self._texts)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep], False

    def flush(self) -> str:
        """What was held back, now that nothing follows."""
        held, self._held = self._held, ""
        return held


def overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` are the beginning of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
