"""Configuration and weights from disk under transformers' names, safetensors or GGUF. No code is run."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard_server.errors import StartupError
from modelyard_server.generation import configuration
from modelyard_server.generation.configuration import DecoderConfig
from modelyard_server.generation.gguf_file import GgufFile
from modelyard_server.generation.weights import FromGguf, Weights, of_safetensors

_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_BLOCK = re.compile(r"blk\.(\d+)\.(.+)\.(weight|bias)$")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; an empty one where there is no such file. Raises StartupError."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StartupError("LoadFailed", f"{path.name}: not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise StartupError("LoadFailed", f"{path.name}: must be a JSON object")
    return found


def from_folder(root: Path) -> tuple[DecoderConfig, Weights]:
    """A directory of transformers: config.json and all *.safetensors. Raises StartupError."""
    if not (root / "config.json").is_file():
        raise StartupError("LoadFailed", "config.json: no such file in the package; format transformers needs it")
    config = _complete(lambda: configuration.from_transformers(
        read_json(root / "config.json"), read_json(root / "generation_config.json")), "config.json")  # fmt: skip
    paths = sorted(root.glob("*.safetensors"))
    if not paths:
        raise StartupError("LoadFailed", "*.safetensors: no such file in the package; save the weights as safetensors")
    weights = of_safetensors(paths)
    check(config, weights.shapes)
    return config, weights


def from_gguf(file: GgufFile) -> tuple[DecoderConfig, Weights]:
    """Configuration and weights of a GGUF file. Raises StartupError."""
    tied = "output.weight" not in file.tensors
    config = _complete(lambda: configuration.from_gguf(file.fields, tied=tied), "GGUF metadata")
    stored = {}
    for theirs, tensor in file.tensors.items():
        name = transformers_name(theirs)
        turned = config.interleaved_rope and (".q_proj." in name or ".k_proj." in name)
        stored[name] = FromGguf(tensor, config.head_size if turned else 0)
    weights = Weights(stored)
    check(config, weights.shapes)
    return config, weights


def transformers_name(name: str) -> str:
    """`blk.3.attn_q.weight` -> `model.layers.3.self_attn.q_proj.weight`; unknown names stay as they are."""
    if name == "rope_freqs.weight":
        return "rope_factors"
    if block := _BLOCK.match(name):
        return f"model.layers.{block[1]}.{_NAMES.get(block[2], block[2])}.{block[3]}"
    stem, _, kind = name.rpartition(".")
    return f"{_NAMES.get(stem, stem)}.{kind}"


def check(config: DecoderConfig, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Names and shapes that the decoder needs; a forgotten matrix must not serve noise. Raises StartupError."""
    problems = []
    for name, shape in expected(config).items():
        if name not in shapes:
            problems.append(f"{name} {list(shape)} is missing")
        elif shapes[name] != shape:
            problems.append(f"{name} is {list(shapes[name])}, not {list(shape)}")
    if problems:
        more = f" and {len(problems) - 6} more" if len(problems) > 6 else ""
        raise StartupError("LoadFailed", f"weights do not fit the configuration: {'; '.join(problems[:6])}{more}")


def expected(config: DecoderConfig) -> dict[str, tuple[int, ...]]:
    """Every matrix and norm by name."""
    hidden, wide = config.hidden, config.intermediate
    heads, kv_heads = config.heads * config.head_size, config.kv_heads * config.head_size
    found: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (config.vocabulary, hidden),
        "model.norm.weight": (hidden,),
    }
    if not config.tied:
        found["lm_head.weight"] = (config.vocabulary, hidden)
    shapes: dict[str, tuple[int, ...]] = {
        "input_layernorm": (hidden,), "post_attention_layernorm": (hidden,),
        "self_attn.q_proj": (heads, hidden), "self_attn.k_proj": (kv_heads, hidden),
        "self_attn.v_proj": (kv_heads, hidden), "self_attn.o_proj": (hidden, heads),
        "mlp.gate_proj": (wide, hidden), "mlp.up_proj": (wide, hidden), "mlp.down_proj": (hidden, wide),
    }  # fmt: skip
    for layer in range(config.layers):
        found |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in shapes.items()}
    return found


def _complete(make: Any, where: str) -> DecoderConfig:
    try:
        config = configuration.checked(make())
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise StartupError("LoadFailed", f"{where}: a size is missing or wrong: {error}") from error
    return config
