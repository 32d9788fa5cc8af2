"""The decoder's scores are those of transformers, for every family that it serves, on the same weights."""

import itertools
from typing import Any

import pytest
import torch
import transformers

from modelyard_server.generation import configuration
from modelyard_server.generation.chunks import Chunk
from modelyard_server.generation.decoder import Decoder
from modelyard_server.generation.linear import Plain
from unit.server import tiny_llm

PROMPT = [5, 17, 99, 200, 3, 3, 42, 120, 7]
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "llama, stretched": {"rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64}},
    "llama, linear": {"rope_scaling": {"rope_type": "linear", "factor": 2.0}, "tie_word_embeddings": False},
    "mistral": {"model_type": "mistral", "sliding_window": 128, "head_dim": 32},
    "qwen2": {"model_type": "qwen2"},
    "qwen3": {"model_type": "qwen3", "head_dim": 32, "num_key_value_heads": 1},
}  # fmt: skip


def theirs(config: dict[str, Any], weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """Scores of transformers for every place of the prompt."""
    made = transformers.AutoConfig.for_model(**config)
    network = transformers.AutoModelForCausalLM.from_config(made, attn_implementation="eager").eval()  # type: ignore[no-untyped-call]
    state = dict(weights)
    if config["tie_word_embeddings"]:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    network.load_state_dict(state)
    with torch.inference_mode():
        scores: torch.Tensor = network(torch.tensor([PROMPT])).logits[0]
    return scores


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_transformers(family: str) -> None:
    config = tiny_llm.CONFIG | FAMILIES[family]
    weights = tiny_llm.weights(config)
    draw = torch.Generator().manual_seed(1)
    for layer, name in itertools.product(range(2), "qkv"):
        matrix = f"model.layers.{layer}.self_attn.{name}_proj"
        if config["model_type"] == "qwen2":
            weights[f"{matrix}.bias"] = torch.randn(weights[f"{matrix}.weight"].shape[0], generator=draw)
        if config["model_type"] == "qwen3" and name != "v":
            weights[f"model.layers.{layer}.self_attn.{name}_norm.weight"] = torch.rand(32, generator=draw) + 0.5
    expected = theirs(config, weights)
    decoder = Decoder(configuration.from_transformers(config, {}), weights, torch.float32, Plain)
    found = decoder.step(decoder.cache(1, 64), [Chunk(0, 0, PROMPT)], [0])[0]
    torch.testing.assert_close(found, expected[-1], rtol=1e-4, atol=1e-4)
