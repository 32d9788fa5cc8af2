"""What a decoder is made of: `config.json` of transformers, or the metadata of a GGUF file, as one frozen struct. Pure.

Sources: the configuration classes of transformers; the key names of the GGUF specification.
"""

from collections.abc import Mapping
from math import pi
from typing import Annotated, Any

import msgspec

from modelyard_server.errors import StartupError

SUPPORTED = ("llama", "mistral", "qwen2", "qwen3")
"""Values of `model_type` (transformers). SmolLM, SmolLM2 and TinyLlama are `llama`."""
SUPPORTED_GGUF = ("llama", "qwen2", "qwen3")
"""Values of `general.architecture` (GGUF). Mistral's files say `llama`."""


Size = Annotated[int, msgspec.Meta(ge=1, le=1 << 27)]


def checked(config: "DecoderConfig") -> "DecoderConfig":
    """What a file says may be missing or of another kind, whatever the types promise. Raises ValueError."""
    return msgspec.convert(msgspec.to_builtins(config), DecoderConfig)


class Llama3Scaling(msgspec.Struct, frozen=True):
    """Stretches the low frequencies of the rotary embedding only, as Llama 3.1 does."""

    factor: float
    low: float
    high: float
    original_context: int


class DecoderConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and constants of one decoder of the Llama family."""

    layers: Annotated[int, msgspec.Meta(ge=1, le=1024)]
    hidden: Size
    intermediate: Size
    heads: Size
    kv_heads: Size
    head_size: Size
    vocabulary: Size
    context: Size
    """Tokens of prompt and answer together that the model was made for."""
    norm_epsilon: float
    rope_base: float
    rope_factor: float = 1.0
    """Linear scaling: positions are divided by it."""
    llama3: Llama3Scaling | None = None
    tied: bool = False
    """Is the output matrix the embedding itself?"""
    interleaved_rope: bool = False
    """Do neighbouring elements rotate together (GGUF of Llama), in place of element i and i + head_size / 2?"""
    end_tokens: tuple[int, ...] = ()


def from_transformers(config: Mapping[str, Any], generation: Mapping[str, Any]) -> DecoderConfig:
    """`config.json` and `generation_config.json` (may be empty). Raises StartupError."""
    kind = config.get("model_type")
    if kind not in SUPPORTED:
        raise unsupported("config.json: model_type", kind, SUPPORTED)
    if (activation := config.get("hidden_act", "silu")) != "silu":
        raise StartupError("LoadFailed", f"config.json: hidden_act: {activation!r}; silu is what this decoder computes")
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    base, factor, llama3 = _rope(config)
    context = int(config.get("max_position_embeddings", 2048))
    window = config.get("sliding_window") if config.get("use_sliding_window", True) else None
    return DecoderConfig(
        layers=config["num_hidden_layers"],
        hidden=hidden,
        intermediate=config["intermediate_size"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_size=config.get("head_dim") or hidden // heads,
        vocabulary=config["vocab_size"],
        context=min(context, int(window)) if window else context,  # within the window, attention is plain
        norm_epsilon=config.get("rms_norm_eps", 1e-6),
        rope_base=base,
        rope_factor=factor,
        llama3=llama3,
        tied=bool(config.get("tie_word_embeddings", False)),
        end_tokens=_tokens(generation.get("eos_token_id", config.get("eos_token_id"))),
    )


def to_transformers(config: DecoderConfig, kind: str) -> dict[str, Any]:
    """The other way: `config.json` of a model whose weights have transformers' names and order."""
    scaling: dict[str, Any] = {"rope_type": "default"}
    if config.rope_factor != 1:
        scaling = {"rope_type": "linear", "factor": config.rope_factor}
    return {
        "architectures": [f"{kind.capitalize()}ForCausalLM"],
        "model_type": kind,
        "num_hidden_layers": config.layers,
        "hidden_size": config.hidden,
        "intermediate_size": config.intermediate,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_size,
        "vocab_size": config.vocabulary,
        "max_position_embeddings": config.context,
        "rms_norm_eps": config.norm_epsilon,
        "rope_parameters": {**scaling, "rope_theta": config.rope_base},
        "tie_word_embeddings": config.tied,
        "eos_token_id": list(config.end_tokens),
        "hidden_act": "silu",
        "dtype": "bfloat16",
    }


def _rope(config: Mapping[str, Any]) -> tuple[float, float, Llama3Scaling | None]:
    """Base, linear factor and Llama 3's scaling. transformers 5 keeps all of it in `rope_parameters`."""
    scaling = config.get("rope_parameters") or config.get("rope_scaling") or {}
    base = float(scaling.get("rope_theta", config.get("rope_theta", 10_000.0)))
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "default":
        return base, 1.0, None
    if kind == "linear":
        return base, float(scaling["factor"]), None
    if kind == "llama3":
        numbers = (scaling["factor"], scaling["low_freq_factor"], scaling["high_freq_factor"])
        return base, 1.0, Llama3Scaling(*numbers, scaling["original_max_position_embeddings"])
    raise StartupError("LoadFailed", f"config.json: rope_type: {kind!r}; supported are default, linear and llama3")


def from_gguf(fields: Mapping[str, Any], *, tied: bool) -> DecoderConfig:
    """The metadata of a GGUF file; `tied` says that it holds no output matrix. Raises StartupError."""
    kind = fields.get("general.architecture")
    if kind not in SUPPORTED_GGUF:
        raise unsupported("general.architecture", kind, SUPPORTED_GGUF)

    def get(name: str, default: Any = None) -> Any:
        return fields.get(f"{kind}.{name}", default)

    scaling = get("rope.scaling.type", "none")
    if scaling not in {"none", "linear"}:
        raise StartupError("LoadFailed", f"{kind}.rope.scaling.type: {scaling!r}; supported are none and linear")
    heads, hidden = get("attention.head_count"), get("embedding_length")
    end = fields.get("tokenizer.ggml.eos_token_id"), fields.get("tokenizer.ggml.eot_token_id")
    return DecoderConfig(
        layers=get("block_count"),
        hidden=hidden,
        intermediate=get("feed_forward_length"),
        heads=heads,
        kv_heads=get("attention.head_count_kv", heads),
        head_size=get("attention.key_length", hidden // heads),
        vocabulary=get("vocab_size", len(fields.get("tokenizer.ggml.tokens", ()))),
        context=get("context_length"),
        norm_epsilon=get("attention.layer_norm_rms_epsilon", 1e-6),
        rope_base=get("rope.freq_base", 10_000.0),
        rope_factor=get("rope.scaling.factor", 1.0) if scaling == "linear" else 1.0,
        tied=tied,
        interleaved_rope=kind == "llama",
        end_tokens=tuple(sorted({token for token in end if token is not None})),
    )


def frequencies(config: DecoderConfig) -> list[float]:
    """Angle per position of each pair of elements of a head, `head_size / 2` values."""
    plain = [config.rope_base ** (-2 * pair / config.head_size) for pair in range(config.head_size // 2)]
    if config.llama3 is not None:
        return [_stretched(frequency, config.llama3) for frequency in plain]
    return [frequency / config.rope_factor for frequency in plain]


def _stretched(frequency: float, scaling: Llama3Scaling) -> float:
    """Short waves stay, long ones are divided by the factor, those between are mixed."""
    waves = scaling.original_context * frequency / (2 * pi)
    if waves > scaling.high:
        return frequency
    if waves < scaling.low:
        return frequency / scaling.factor
    share = (waves - scaling.low) / (scaling.high - scaling.low)
    return (1 - share) * frequency / scaling.factor + share * frequency


def _tokens(value: Any) -> tuple[int, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)


def unsupported(field: str, value: object, supported: tuple[str, ...]) -> StartupError:
    """The error for a model of another family."""
    return StartupError(
        "LoadFailed", f"{field}: {value!r} is not a decoder that is served here; {', '.join(supported)}"
    )
