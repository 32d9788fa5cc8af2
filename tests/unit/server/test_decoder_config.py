"""What a configuration says, and which ones are refused."""

from typing import Any

import pytest

from modelyard_server.errors import StartupError
from modelyard_server.generation import configuration
from unit.server.tiny_llm import CONFIG


def read(generation: dict[str, Any] | None = None, **changed: Any) -> configuration.DecoderConfig:
    return configuration.from_transformers(CONFIG | changed, generation or {})


def test_sizes_are_read() -> None:
    config = read()
    assert (config.layers, config.hidden, config.heads, config.kv_heads, config.head_size) == (2, 64, 4, 2, 16)
    assert (config.context, config.tied, config.end_tokens) == (256, True, (258,))


def test_every_head_has_its_own_keys_when_nothing_else_is_said() -> None:
    assert read(num_key_value_heads=None).kv_heads == 4


def test_generation_config_says_how_answers_end() -> None:
    assert read({"eos_token_id": [1, 2]}).end_tokens == (1, 2)
    assert read(eos_token_id=None).end_tokens == ()


def test_a_sliding_window_bounds_the_context() -> None:
    assert read(sliding_window=100).context == 100
    assert read(sliding_window=100, use_sliding_window=False).context == 256


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_type": "mamba"}, "model_type: 'mamba' is not a decoder that is served here; llama, mistral, qwen2"),
        ({"hidden_act": "gelu"}, "hidden_act: 'gelu'"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "rope_type: 'yarn'; supported are default, linear and llama3"),
    ],
)
def test_what_is_not_supported_is_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(StartupError) as caught:
        read(**changed)
    assert message in str(caught.value)


def test_rope_is_read_from_both_places() -> None:
    assert read(rope_parameters={"rope_type": "default", "rope_theta": 7.0}).rope_base == 7.0
    assert read(rope_scaling={"type": "linear", "factor": 4}).rope_factor == 4.0
    assert configuration.frequencies(read(rope_scaling={"type": "linear", "factor": 4}))[0] == 0.25


def test_llama_3_stretches_long_waves_only() -> None:
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 64}  # fmt: skip
    plain, stretched = configuration.frequencies(read()), configuration.frequencies(read(rope_scaling=scaling))
    ratios = [after / before for before, after in zip(plain, stretched, strict=True)]
    assert ratios[0] == 1.0
    assert ratios[-1] == pytest.approx(1 / 8)
    assert any(1 / 8 < ratio < 1 for ratio in ratios)


GGUF = {
    "general.architecture": "llama", "llama.block_count": 2, "llama.embedding_length": 64,
    "llama.feed_forward_length": 128, "llama.attention.head_count": 4, "llama.context_length": 256,
    "llama.vocab_size": 260, "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.eot_token_id": 1,
}  # fmt: skip


def test_gguf_metadata_is_read() -> None:
    config = configuration.from_gguf(GGUF, tied=False)
    assert (config.kv_heads, config.head_size, config.end_tokens, config.interleaved_rope) == (4, 16, (1, 2), True)
    scaled = GGUF | {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 2.0}
    assert configuration.from_gguf(scaled, tied=False).rope_factor == 2.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"general.architecture": "bert"}, "general.architecture: 'bert'"),
        ({"llama.rope.scaling.type": "yarn"}, "llama.rope.scaling.type: 'yarn'; supported are none and linear"),
    ],
)
def test_gguf_of_another_kind_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(StartupError) as caught:
        configuration.from_gguf(GGUF | changed, tied=False)
    assert message in str(caught.value)


def test_a_configuration_can_be_written_for_transformers() -> None:
    for changed in ({}, {"rope_scaling": {"type": "linear", "factor": 4}}):
        config = read(**changed)
        assert configuration.from_transformers(configuration.to_transformers(config, "llama"), {}) == config
