"""How a served model reads its one input of tokens: what a row becomes, and what its tokens are called."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from modelyard_server.explain import wishes
from modelyard_server.explain.wishes import Wish
from modelyard_server.models.served import Served
from modelyard_server.protocol.datatypes import Array


class Reading:
    """Of one model. A text has tokens with names; ids that a client has sent itself have none."""

    def __init__(self, served: Served) -> None:
        self._name = served.signature.inputs[0].name
        self._prepare = served.prepare
        self._architecture: Any = served.package.card.architecture
        self._step: Any = None if served.prepare is None else served.prepare.steps[self._name]

    @property
    def kept(self) -> frozenset[int]:
        """Tokens that frame a text: the baseline has them, too."""
        found: frozenset[int] = getattr(self._step, "special", frozenset())
        return found

    def prepared(self, rows: Array) -> Array:
        """Rows as the model takes them. Raises BadRequestError."""
        return rows if self._prepare is None else self._prepare({self._name: rows})[self._name]

    def baseline(self, wish: Wish) -> int:
        """The token that stands for nothing. Raises BadRequestError."""
        return wishes.token_of(wish, self._architecture.padding, self._architecture.vocabulary)

    def names(self, rows: Sequence[Array], width: int) -> Array | None:
        """The tokens of each row as text [rows, width], None for ids."""
        if not hasattr(self._step, "names"):
            return None
        found = np.full((len(rows), width), b"", np.object_)
        for row, target in zip(rows, found, strict=True):
            target[: len(row)] = self._step.names(row.tolist())
        return found
