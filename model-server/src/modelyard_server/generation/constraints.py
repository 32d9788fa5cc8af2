"""Answers that are JSON, JSON of a schema or a call of a function: the grammar says which tokens may come next.

The library is llguidance.
"""

import importlib.util
from typing import Any

import msgspec

from modelyard_server.errors import BadRequestError
from modelyard_server.generation.requests import Constraint

MAX_SCHEMA = 64 * 1024
"""Bytes of a schema."""
ANY_OBJECT: dict[str, Any] = {"type": "object"}


class Grammars:
    """Constraints for one model; what llguidance needs of its vocabulary is made once, when it is first asked for."""

    def __init__(self, document: str, vocabulary: int, end_tokens: frozenset[int]) -> None:
        self._document = document
        self._vocabulary = vocabulary
        self._end = sorted(end_tokens)
        self._tokens: Any = None

    def of_schema(self, schema: dict[str, Any]) -> Constraint:
        """JSON of a schema. Takes a while: not on the event loop. Raises BadRequestError."""
        return self._constraint("response_format", _text("response_format", schema), "grammar_from_json_schema")

    def of_call(self, schema: dict[str, Any], marks: tuple[str, str]) -> Constraint:
        """JSON of a schema between two marks. Takes a while, too. Raises BadRequestError."""
        opening, closing = (msgspec.json.encode(mark).decode() for mark in marks)
        grammar = f"start: {opening} call {closing}\ncall: %json {_text('tools', schema)}\n"
        return self._constraint("tools", grammar, "grammar_from_lark")

    def _constraint(self, field: str, text: str, form: str) -> Constraint:
        if importlib.util.find_spec("llguidance") is None:
            raise BadRequestError(f"{field}: this server is installed without the extra `structured`")
        import llguidance  # noqa: PLC0415 (an extra)

        try:
            if self._tokens is None:
                end = self._end or None
                self._tokens = llguidance.LLTokenizer(self._document, n_vocab=self._vocabulary, eos_token=end)
            matcher = llguidance.LLMatcher(self._tokens, getattr(llguidance.LLMatcher, form)(text))
        except ValueError as error:
            raise BadRequestError(f"{field}: the schema is not usable: {error}") from error
        if message := matcher.get_error():
            raise BadRequestError(f"{field}: the schema is not usable: {message}")
        return _Matcher(matcher)


def _text(field: str, schema: dict[str, Any]) -> str:
    text = msgspec.json.encode(schema).decode()
    if len(text) > MAX_SCHEMA:
        raise BadRequestError(f"{field}: a schema of {len(text)} bytes, at most {MAX_SCHEMA} are taken")
    return text


class _Matcher:
    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    def allowed(self) -> bytes | None:
        """One bit per token."""
        mask: bytes = self._matcher.compute_bitmask()
        if message := self._matcher.get_error():
            raise ValueError(message)
        return mask

    def accept(self, token: int) -> None:
        """The token that came."""
        self._matcher.consume_token(token)

    @property
    def finished(self) -> bool:
        """Nothing may follow."""
        return bool(self._matcher.is_stopped())
