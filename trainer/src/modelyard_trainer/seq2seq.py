"""Recipe: numbers in words to digits, with attention. The data are generated, and the package says so."""

import hashlib
from pathlib import Path

import torch

from modelyard_server.engines import torch_networks
from modelyard_server.package.architectures import Seq2Seq
from modelyard_server.package.card import ModelCard, Origin, TensorSpec
from modelyard_server.package.steps import Detokenising, Postprocessing, Preprocessing, Tokenising
from modelyard_trainer import numerals, packaging, training, vocabulary
from modelyard_trainer.numerals import HELD_OUT, PAIRS

INPUT = "words"
SOURCE, TARGET = "tokenizer.json", "digits.json"
LONGEST, WRITTEN = 24, 8


def run(options: packaging.RunOptions) -> str:
    """Train, evaluate, package; returns the package digest."""
    pairs = numerals.pairs(PAIRS + HELD_OUT, numerals.SEED)
    print(f"numerals: {PAIRS} generated pairs to train, {HELD_OUT} held out", flush=True)
    words, digits = vocabulary.words((text for text, _ in pairs[:PAIRS]), 1), vocabulary.digits()
    architecture = Seq2Seq(
        vocabulary=words.get_vocab_size(),
        target_vocabulary=digits.get_vocab_size(),
        embedding=32,
        hidden=96,
        start=vocabulary.number(digits, vocabulary.START),
        end=vocabulary.number(digits, vocabulary.END),
        max_tokens=WRITTEN,
        beams=3,
    )
    training.begin(options.seed)
    network = torch_networks.build(architecture)
    ids, lengths = vocabulary.padded(words, [text for text, _ in pairs], LONGEST)
    targets, _ = vocabulary.padded(digits, [f"[START]{number}[END]" for _, number in pairs], WRITTEN + 1)

    def loss_of(chosen: torch.Tensor) -> torch.Tensor:
        return _teacher_forced(network, ids[chosen], lengths[chosen], targets[chosen])

    plan = training.Plan(options.epochs, options.seed, batch=96, learning_rate=4e-3)
    training.fit(network, PAIRS, plan, loss_of)
    with torch.inference_mode():
        written = network(ids[PAIRS:], lengths[PAIRS:]).tokens
    answers = digits.decode_batch(written.tolist())
    right = sum(answer == number for answer, (_, number) in zip(answers, pairs[PAIRS:], strict=True))
    print(f"held-out exact answers {right / HELD_OUT:.4f} ({right} of {HELD_OUT})", flush=True)
    card = _card(architecture, right / HELD_OUT, pairs, options)

    def save(root: Path) -> None:
        training.save(network, root / "model.safetensors")
        words.save(str(root / SOURCE))
        digits.save(str(root / TARGET))

    return packaging.write(options.out, card, None, save)


def _teacher_forced(
    network: torch.nn.Module, ids: torch.Tensor, lengths: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """The decoder reads the right answer shifted by one; padding (0) behind the end counts for nothing."""
    memory = network.read(ids, lengths)  # type: ignore[operator]
    found, _ = network.step(memory, targets[:, :-1], memory.state)  # type: ignore[operator]
    return torch.nn.functional.cross_entropy(found.flatten(0, 1), targets[:, 1:].flatten(), ignore_index=0)


def _card(
    architecture: Seq2Seq, exact: float, pairs: list[tuple[str, str]], options: packaging.RunOptions
) -> ModelCard:
    return ModelCard(
        name="numerals",
        version=options.version,
        format="torch",
        description="Numbers in English words to digits, below a million; trained on generated pairs",
        inputs=(TensorSpec(name=INPUT, datatype="BYTES", shape=(-1,)),),
        outputs=(
            TensorSpec(name="text", datatype="BYTES", shape=(-1,)),
            TensorSpec(name="score", datatype="FP32", shape=(-1,)),
        ),
        preprocessing=(Preprocessing(input=INPUT, tokens=Tokenising(file=SOURCE, max_tokens=LONGEST)),),
        postprocessing=(Postprocessing(output="text", tokens=Detokenising(file=TARGET)),),
        architecture=architecture,
        metrics={"exact": round(exact, 4), "heldOutRows": float(HELD_OUT)},
        origin=Origin(
            dataset="generated numerals",
            dataset_digest=f"sha256:{hashlib.sha256(repr(pairs).encode()).hexdigest()}",
            code_version=packaging.CODE_VERSION,
            seed=options.seed,
        ),
    )
