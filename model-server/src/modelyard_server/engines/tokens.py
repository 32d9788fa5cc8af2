"""Text to token ids and back, with the library tokenizers and files of the package."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from modelyard_server.engines import sequences
from modelyard_server.errors import BadRequestError, StartupError
from modelyard_server.package.steps import Detokenising, Tokenising
from modelyard_server.protocol.datatypes import Array

CHARACTERS = 100
"""Characters of a token, at most: what a text has beyond this many for each of its tokens is cut off unread."""


class Texts:
    """Tokenises one input."""

    def __init__(self, root: Path, name: str, step: Tokenising) -> None:
        self._name = name
        self._step = step
        self._tokenizer = read(root, step.file)
        self._tokenizer.no_padding()
        if step.truncate:
            self._tokenizer.enable_truncation(step.max_tokens)
        else:
            self._tokenizer.no_truncation()
        self.special = frozenset(
            number for number, token in self._tokenizer.get_added_tokens_decoder().items() if token.special
        )
        """Tokens that no text is made of, such as those that frame it."""

    def __call__(self, values: Array) -> Array:
        """[rows] of UTF-8 to ragged rows of ids; raises BadRequestError that names the row."""
        most = self._step.max_tokens
        texts = [self._text(row, value) for row, value in enumerate(values)]
        encoded = self._tokenizer.encode_batch(texts)
        for row, one in enumerate(encoded):
            if len(one.ids) > most:
                raise BadRequestError(
                    f"input {self._name!r}: row {row}: {len(one.ids)} tokens; at most {most} are taken"
                )
        return sequences.ragged([np.asarray(one.ids, np.int64) for one in encoded])

    def names(self, ids: Sequence[int]) -> list[bytes]:
        """What the vocabulary calls these tokens, in UTF-8."""
        return [(self._tokenizer.id_to_token(one) or f"<{one}>").encode() for one in ids]

    def _text(self, row: int, value: bytes) -> str:
        try:
            text = value.decode()
        except UnicodeDecodeError as error:
            raise BadRequestError(f"input {self._name!r}: row {row}: is not UTF-8 text") from error
        limit = CHARACTERS * self._step.max_tokens
        if len(text) > limit and not self._step.truncate:
            raise BadRequestError(f"input {self._name!r}: row {row}: {len(text)} characters; at most {limit} are read")
        return text[:limit]


class Writer:
    """Token ids to text."""

    def __init__(self, root: Path, step: Detokenising) -> None:
        self._tokenizer = read(root, step.file)

    def __call__(self, rows: Array) -> Array:
        """[rows, tokens] to [rows] of UTF-8."""
        texts = np.empty((len(rows),), np.object_)
        texts[:] = [text.encode() for text in self._tokenizer.decode_batch(rows.tolist())]
        return texts


def read(root: Path, file: str) -> Tokenizer:
    """A tokenizer of the package; raises StartupError."""
    path = root / file
    if not path.is_file():
        raise StartupError("LoadFailed", f"{file}: no such file in the package; the card names it as a tokenizer")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises Exception itself
        raise StartupError("LoadFailed", f"{file}: not readable as a tokenizer: {error}") from error
