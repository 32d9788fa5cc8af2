"""Naive Bayes over words: the label whose words a text holds. A model of one's own for the model server."""

import json
import re
from collections.abc import Mapping, Sequence

import numpy as np

from modelyard_server.engines.model import LoadOptions
from modelyard_server.errors import BadRequestError
from modelyard_server.package.files import Package
from modelyard_server.protocol.datatypes import Array

LONGEST = 10_000


class WordScores:
    """Adds up what each word says for each label."""

    device = "cpu"  # where it computes: cpu or cuda:0

    def __init__(self, labels: Sequence[str], prior: Sequence[float], words: Mapping[str, Sequence[float]]) -> None:
        self._labels = labels
        self._prior = np.array(prior)
        self._words = {word: np.array(scores) for word, scores in words.items()}

    @classmethod
    def load(cls, package: Package, options: LoadOptions) -> "WordScores":  # noqa: ARG003 (nothing to set here)
        """package.root has the files, package.card the card; options.device, options.threads, ... the settings."""
        table = json.loads((package.root / "words.json").read_text())
        return cls(package.card.labels, table["prior"], table["words"])

    @property
    def parameter_bytes(self) -> int:
        """Memory that loading it takes for good."""
        return sum(scores.nbytes for scores in self._words.values())

    def predict(self, inputs: Mapping[str, Array]) -> Mapping[str, object]:
        """Every declared output for the declared inputs, with as many rows."""
        scores = np.stack([self._score(text) for text in inputs["text"]])
        likely = np.exp(scores - scores.max(axis=1, keepdims=True))
        return {
            "label": [self._labels[best] for best in scores.argmax(axis=1)],
            "probabilities": likely / likely.sum(axis=1, keepdims=True),
        }

    def device_memory(self) -> Mapping[str, int]:
        """Bytes of accelerator memory by kind; nothing on a CPU."""
        return {}

    def _score(self, text: bytes) -> Array:
        if len(text) > LONGEST:  # 400; any other exception is a 500 of its request alone
            raise BadRequestError(f"text: {len(text)} bytes, at most {LONGEST} are read")
        found = re.findall(r"\w+", text.decode(errors="replace").lower())
        return self._prior + sum(self._words[word] for word in found if word in self._words)
