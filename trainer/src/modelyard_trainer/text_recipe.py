"""What the recipes of text classification share: the data, the words, the training, the package."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from modelyard_server.engines import torch_networks
from modelyard_server.package.architectures import Encoder, Recurrent
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.package.steps import Preprocessing, Tokenising
from modelyard_trainer import drawing, packaging, scores, sections, training, vocabulary

INPUT = "text"
TOKENS = 32
"""Tokens of a description, at most."""
LEAST = 2
"""A word that occurs once in the training part is unknown: the network must learn to live with unknown words."""
FORGOTTEN = 0.15
"""Share of words that are taken for unknown ones while training, so that no word alone decides."""


def run(name: str, options: packaging.RunOptions, declare: Callable[[int, int], Recurrent | Encoder]) -> str:
    """Train, evaluate, package; `declare` gives the network for sizes of vocabulary and labels."""
    dataset = sections.load(options.data)
    classes = len(dataset.labels)
    print(f"{dataset.name}: {len(dataset.train_x)} descriptions to train, {len(dataset.test_x)} held out", flush=True)
    words = vocabulary.words(dataset.train_x.tolist(), LEAST)
    architecture = declare(words.get_vocab_size(), classes)
    training.begin(options.seed)
    network = torch_networks.build(architecture)
    ids, lengths = vocabulary.padded(words, dataset.train_x.tolist(), TOKENS)
    unknown, targets = vocabulary.number(words, vocabulary.UNKNOWN), torch.from_numpy(dataset.train_y)

    def loss_of(chosen: torch.Tensor) -> torch.Tensor:
        rows = ids[chosen, : int(lengths[chosen].max())]
        forgotten = torch.rand(rows.shape) < FORGOTTEN
        found = network(rows.masked_fill(forgotten, unknown), lengths[chosen])
        return torch.nn.functional.cross_entropy(found, targets[chosen])

    plan = training.Plan(options.epochs, options.seed, weight_decay=0.01)
    training.fit(network, len(targets), plan, loss_of)
    predicted = training.predict(network, vocabulary.padded(words, dataset.test_x.tolist(), TOKENS))
    accuracy = scores.accuracy(dataset.test_y, predicted)
    usual = float(np.bincount(dataset.test_y).max() / len(dataset.test_y))
    print(f"held-out accuracy {accuracy:.4f}; the most frequent section alone gives {usual:.4f}")
    print(drawing.confusion_table(scores.confusion(dataset.test_y, predicted, classes), dataset.labels), flush=True)
    card = ModelCard(
        name=name,
        version=options.version,
        format="torch",
        description="Archive section of a software package, from one line that describes it",
        inputs=(TensorSpec(name=INPUT, datatype="BYTES", shape=(-1,)),),
        outputs=(
            TensorSpec(name="label", datatype="BYTES", shape=(-1,)),
            TensorSpec(name="probabilities", datatype="FP32", shape=(-1, classes)),
        ),
        labels=dataset.labels,
        preprocessing=(Preprocessing(input=INPUT, tokens=Tokenising(max_tokens=TOKENS)),),
        architecture=architecture,
        metrics={"accuracy": round(accuracy, 4), "heldOutRows": float(len(predicted))},
        origin=packaging.origin(dataset, options, "Debian"),
    )

    def save(root: Path) -> None:
        training.save(network, root / "model.safetensors")
        words.save(str(root / "tokenizer.json"))

    return packaging.write(options.out, card, None, save)
