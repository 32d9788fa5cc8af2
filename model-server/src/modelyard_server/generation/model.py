"""What generation needs of a loaded model."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from modelyard_server.generation.runner import Network


class Words(Protocol):
    """The vocabulary."""

    @property
    def size(self) -> int: ...
    @property
    def document(self) -> str: ...
    def encode(self, text: str, *, special: bool) -> list[int]: ...
    def decode(self, tokens: Sequence[int]) -> str: ...
    def piece(self, token: int) -> str: ...


class Template(Protocol):
    """How a conversation becomes a prompt."""

    @property
    def source(self) -> str: ...
    def render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None, **more: Any) -> str: ...


@runtime_checkable
class Decoding(Protocol):
    """A loaded model that generates text."""

    @property
    def network(self) -> Network: ...
    @property
    def slots(self) -> int: ...
    @property
    def context(self) -> int: ...
    @property
    def end_tokens(self) -> frozenset[int]: ...
    @property
    def tokenizer(self) -> Words: ...
    @property
    def template(self) -> Template | None: ...
