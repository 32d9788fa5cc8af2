"""A decoder of two layers with random weights and a vocabulary of bytes, as a package on disk: small, but real."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from modelyard_server.generation import configuration, weight_files
from modelyard_server.package.card import ModelCard, TensorSpec
from unit.server import live

CONFIG: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 260, "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": True, "eos_token_id": 258, "hidden_act": "silu",
}  # fmt: skip
TEMPLATE = (
    "{% if tools %}<tool_call></tool_call>{% endif %}"
    "{% for message in messages %}<s>{{ message.role }}: {{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant: {% endif %}"
)
END = 258
"""The token of `</s>`."""


def weights(config: dict[str, Any], seed: int = 0) -> dict[str, torch.Tensor]:
    """Random ones, wide enough that answers differ."""
    draw = torch.Generator().manual_seed(seed)
    shapes = weight_files.expected(configuration.from_transformers(config, {}))
    return {
        name: torch.ones(shape) if len(shape) == 1 else torch.randn(shape, generator=draw) * 0.2
        for name, shape in shapes.items()
    }


def tokenizer() -> Tokenizer:
    """One token for each byte, then `<s>`, `</s>` and `<pad>`; 256 is not used."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    fast = Tokenizer(
        models.BPE(vocab={letter: number for number, letter in enumerate([*letters, "unused"])}, merges=[])
    )
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    fast.add_special_tokens([AddedToken(text, special=True) for text in ("<s>", "</s>", "<pad>")])
    return fast


def card(name: str = "tiny", **fields: Any) -> ModelCard:
    """Texts in, texts out."""
    return ModelCard(
        name=name, version="1", format=fields.pop("format", "transformers"),
        inputs=(TensorSpec(name="text_input", datatype="BYTES", shape=(-1,)),),
        outputs=(TensorSpec(name="text_output", datatype="BYTES", shape=(-1,)),),
        **fields,
    )  # fmt: skip


def write(root: Path, config: dict[str, Any] | None = None, template: str | None = TEMPLATE) -> Path:
    """The whole package, sealed."""
    root.mkdir(parents=True, exist_ok=True)
    config = CONFIG | (config or {})
    (root / "config.json").write_text(json.dumps(config))
    save_file(weights(config), root / "model.safetensors")
    tokenizer().save(str(root / "tokenizer.json"))
    if template is not None:
        (root / "chat_template.jinja").write_text(template)
    return live.write_package(root, card())
