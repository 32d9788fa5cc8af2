"""Recipe: sections of software packages by naive Bayes over words, served by the class of examples/word-scores.

Not a network: what each word says for each section is counted, once.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_trainer import drawing, packaging, scores, sections
from modelyard_trainer.datasets import Array

INPUT = "text"
LEAST = 2
"""A word that occurs less often says nothing about its section."""
FILE = "words.json"


class WordTable(msgspec.Struct, frozen=True):
    """`words.json`: logarithms of probabilities, one for each label, in the order of the card's labels."""

    prior: tuple[float, ...]
    words: Mapping[str, tuple[float, ...]]


def run(options: packaging.RunOptions) -> str:
    """Count, evaluate, package; returns the package digest. There are no epochs and there is no chance."""
    dataset = sections.load(options.data)
    classes = len(dataset.labels)
    print(f"{dataset.name}: {len(dataset.train_x)} descriptions to train, {len(dataset.test_x)} held out", flush=True)
    table = count(dataset.train_x.tolist(), dataset.train_y, classes)
    predicted = predict(table, dataset.test_x.tolist())
    accuracy = scores.accuracy(dataset.test_y, predicted)
    print(f"held-out accuracy {accuracy:.4f} with {len(table.words)} words")
    print(drawing.confusion_table(scores.confusion(dataset.test_y, predicted, classes), dataset.labels), flush=True)
    card = ModelCard(
        name="sections-bayes",
        version=options.version,
        format="python",
        entry_point="word-scores",
        description="Archive section of a software package, from one line that describes it",
        inputs=(TensorSpec(name=INPUT, datatype="BYTES", shape=(-1,)),),
        outputs=(
            TensorSpec(name="label", datatype="BYTES", shape=(-1,)),
            TensorSpec(name="probabilities", datatype="FP32", shape=(-1, classes)),
        ),
        labels=dataset.labels,
        metrics={"accuracy": round(accuracy, 4), "heldOutRows": float(len(predicted))},
        origin=packaging.origin(dataset, options, "Debian"),
    )

    def save(root: Path) -> None:
        (root / FILE).write_bytes(msgspec.json.encode(table))

    return packaging.write(options.out, card, None, save)


def count(texts: Sequence[str], targets: Array, classes: int) -> WordTable:
    """Multinomial naive Bayes; every word counts as if it had been seen once more with each label."""
    counts: dict[str, Array] = {}
    for text, target in zip(texts, targets, strict=True):
        for word in split(text):
            counts.setdefault(word, np.ones(classes))[target] += 1
    seen = Counter(word for text in texts for word in split(text))
    known = sorted(word for word in counts if seen[word] >= LEAST)
    totals = np.sum([counts[word] for word in known], axis=0)
    words = {word: _rounded(np.log(counts[word] / totals)) for word in known}
    return WordTable(_rounded(np.log(np.bincount(targets, minlength=classes) / len(targets))), words)


def predict(table: WordTable, texts: Sequence[str]) -> Array:
    """Class numbers, by the same sum that the served class computes."""
    nothing = (0.0,) * len(table.prior)
    rows = [[table.prior, *(table.words.get(word, nothing) for word in split(text))] for text in texts]
    return np.array([int(np.sum(row, axis=0).argmax()) for row in rows])


def split(text: str) -> list[str]:
    """Words in lower case."""
    return re.findall(r"\w+", text.lower())


def _rounded(values: Array) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)
