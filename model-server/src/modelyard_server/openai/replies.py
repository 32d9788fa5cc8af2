"""What a chat and a completion send back while their answers grow, and what they send when all is there."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from modelyard_server.generation.requests import Chosen, Piece, Usage
from modelyard_server.generation.text import overlap
from modelyard_server.openai import answers, tools
from modelyard_server.openai.answers import Head, Spell

Document = dict[str, Any]


class Texts(msgspec.Struct, frozen=True):
    """Whole answers: the text of each, its tokens and why it ended."""

    text: str
    tokens: tuple[Chosen, ...]
    finish: str


def joined(pieces: Sequence[Piece]) -> Texts:
    """All pieces of one answer."""
    tokens = tuple(token for piece in pieces for token in piece.tokens)
    return Texts("".join(piece.text for piece in pieces), tokens, pieces[-1].finish or "stop")


class ChatReply:
    """Choices of a chat. With functions to call, text goes out until a call begins; the calls follow at the end."""

    def __init__(self, head: Head, usages: Sequence[Usage], how: "Options") -> None:
        self._head = head
        self._usages = usages
        self._how = how
        self._said = [""] * len(usages)
        self._sent = [0] * len(usages)

    def whole(self, pieces: Sequence[Sequence[Piece]]) -> Document:
        """The answer in one document."""
        choices = [self._choice(number, joined(parts)) for number, parts in enumerate(pieces)]
        return answers.document(self._head, "chat.completion", choices, answers.usage([self._usages]))

    def begin(self) -> list[Document]:
        """The first chunk of each choice."""
        delta = {"role": "assistant", "content": ""}
        return [self._chunk(number, delta, None, None) for number in range(len(self._usages))]

    def chunks(self, number: int, piece: Piece) -> list[Document]:
        """What a piece of one choice adds."""
        text, calls = (piece.text, []) if not self._how.calls else self._without_calls(number, piece)
        found = []
        if text or piece.tokens:
            found.append(self._chunk(number, {"content": text}, None, self._logprobs(piece.tokens)))
        if calls:
            listed = tools.documents(calls, self._how.new_id, indexed=True)
            found.append(self._chunk(number, {"tool_calls": listed}, None, None))
        if piece.finish is not None:
            reason = "tool_calls" if calls else piece.finish
            found.append(self._chunk(number, {}, reason, None))
        return found

    def end(self) -> list[Document]:
        """The chunk of usage, for those who want it."""
        if not self._how.include_usage:
            return []
        return [answers.document(self._head, "chat.completion.chunk", [], answers.usage([self._usages]))]

    def _without_calls(self, number: int, piece: Piece) -> tuple[str, list[tools.Call]]:
        """Text that may go out now; from the first call on all is kept until the end."""
        self._said[number] += piece.text
        said, sent = self._said[number], self._sent[number]
        if piece.finish is not None:
            text, calls = tools.split(said)
            return text[sent:], calls
        opened = said.find(tools.OPEN)
        safe = opened if opened >= 0 else len(said) - overlap(said, tools.OPEN)
        self._sent[number] = max(sent, safe)
        return said[sent:safe], []

    def _choice(self, number: int, answer: Texts) -> Document:
        said, calls = tools.split(answer.text) if self._how.calls else (answer.text, [])
        message: Document = {"role": "assistant", "content": said or None if calls else said, "refusal": None}
        if calls:
            message["tool_calls"] = tools.documents(calls, self._how.new_id, indexed=False)
        reason = "tool_calls" if calls else answer.finish
        return {
            "index": number, "message": message, "logprobs": self._logprobs(answer.tokens), "finish_reason": reason,
        }  # fmt: skip

    def _chunk(self, number: int, delta: Document, reason: str | None, logprobs: Document | None) -> Document:
        choice = {"index": number, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return answers.document(self._head, "chat.completion.chunk", [choice], None)

    def _logprobs(self, tokens: Sequence[Chosen]) -> Document | None:
        return answers.chat_logprobs(tokens, self._how.spell) if self._how.logprobs else None


class Options(msgspec.Struct, frozen=True):
    """How a reply looks."""

    spell: Spell
    new_id: Callable[[], str]
    logprobs: bool = False
    include_usage: bool = False
    calls: bool = False
    echoes: Sequence[str] = ()
    """Prompts that a completion repeats before its answers."""
    choices: int = 1
    """Choices of each prompt of a completion."""


class CompletionReply:
    """Choices of a completion: those of the first prompt, then those of the second, and so on."""

    def __init__(self, head: Head, usages: Sequence[Usage], how: Options) -> None:
        self._head = head
        self._usages = usages
        self._how = how
        self._offsets = [len(self._echo(number)) for number in range(len(usages))]

    def whole(self, pieces: Sequence[Sequence[Piece]]) -> Document:
        """The answer in one document."""
        choices = []
        for number, parts in enumerate(pieces):
            answer = joined(parts)
            piece = Piece(self._echo(number) + answer.text, answer.tokens)
            choices.append(self._choice(number, piece, answer.finish))
        return answers.document(self._head, "text_completion", choices, self._usage())

    def begin(self) -> list[Document]:
        """The prompts, for those who want them repeated."""
        numbers = range(len(self._usages)) if self._how.echoes else ()
        return [self._chunk([self._choice(number, Piece(self._echo(number)), None)]) for number in numbers]

    def chunks(self, number: int, piece: Piece) -> list[Document]:
        """What a piece of one choice adds."""
        return [self._chunk([self._choice(number, piece, piece.finish)])]

    def end(self) -> list[Document]:
        """The chunk of usage, for those who want it."""
        return [self._chunk([], self._usage())] if self._how.include_usage else []

    def _usage(self) -> Document:
        size = self._how.choices
        return answers.usage([self._usages[at : at + size] for at in range(0, len(self._usages), size)])

    def _echo(self, number: int) -> str:
        return self._how.echoes[number // self._how.choices] if self._how.echoes else ""

    def _choice(self, number: int, piece: Piece, reason: str | None) -> Document:
        logprobs = None
        if self._how.logprobs:
            logprobs = answers.completion_logprobs(piece.tokens, self._how.spell, self._offsets[number])
            self._offsets[number] += sum(len(token) for token in logprobs["tokens"])
        return {"index": number, "text": piece.text, "logprobs": logprobs, "finish_reason": reason}

    def _chunk(self, choices: list[Document], usage: Document | None = None) -> Document:
        return answers.document(self._head, "text_completion", choices, usage)
