"""Small networks over tokens as packages, with a vocabulary of eight letters."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from modelyard_server.engines import torch_networks
from modelyard_server.package import files, parse
from modelyard_server.package.architectures import Architecture, Encoder, Recurrent, Seq2Seq
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.package.steps import Detokenising, Postprocessing, Preprocessing, Tokenising

WORDS = ["[PAD]", "[UNK]", "[START]", "[END]", *"abcdefgh"]
SEQ2SEQ = Seq2Seq(vocabulary=12, target_vocabulary=12, embedding=4, hidden=6, start=2, end=3, max_tokens=9)


def encoder(**fields: object) -> Encoder:
    """Gives an embedding of eight."""
    sizes = {"vocabulary": 12, "hidden": 8, "layers": 2, "heads": 2, "intermediate": 16, "positions": 40}
    return Encoder(**{**sizes, **fields})  # type: ignore[arg-type]


def recurrent(**fields: object) -> Recurrent:
    """Gives three scores."""
    sizes = {"cell": "lstm", "vocabulary": 12, "embedding": 4, "hidden": 5, "out_features": 3}
    return Recurrent(**{**sizes, **fields})  # type: ignore[arg-type]


def card_of(architecture: Architecture, *, text: bool = True) -> ModelCard:
    """Texts or ids `x` in; scores or an embedding `y` out, or a written text."""
    outputs: tuple[TensorSpec, ...] = (TensorSpec(name="y", datatype="FP32", shape=(-1, 8)),)
    if isinstance(architecture, Recurrent):
        outputs = (TensorSpec(name="y", datatype="FP32", shape=(-1, 3)),)
    if isinstance(architecture, Seq2Seq):
        outputs = (
            TensorSpec(name="text", datatype="BYTES", shape=(-1,)),
            TensorSpec(name="score", datatype="FP32", shape=(-1,)),
        )
    written = isinstance(architecture, Seq2Seq)
    source = ("BYTES", (-1,)) if text else ("INT64", (-1, -1))
    return ModelCard(
        name="m", version="1", format="torch", architecture=architecture, outputs=outputs,
        inputs=(TensorSpec(name="x", datatype=source[0], shape=source[1]),),  # type: ignore[arg-type]
        preprocessing=(Preprocessing(input="x", tokens=Tokenising(max_tokens=32)),) if text else (),
        postprocessing=(Postprocessing(output="text", tokens=Detokenising()),) if written else (),
    )  # fmt: skip


def package(root: Path, architecture: Architecture, *, text: bool = True) -> files.Package:
    """Write it, with the same weights each time."""
    root.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(root / "tokenizer.json"))
    torch.manual_seed(0)
    network = torch_networks.build(architecture)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, root / "model.safetensors")
    (root / parse.FILE).write_bytes(parse.encode(card_of(architecture, text=text)))
    return files.read(root)
