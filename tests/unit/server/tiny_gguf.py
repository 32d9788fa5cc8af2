"""The tiny decoder as a GGUF file."""

from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers.pre_tokenizers import ByteLevel

from modelyard_server.generation import weight_files
from unit.server import tiny_llm


def write(path: Path, kind: str = "llama") -> dict[str, torch.Tensor]:
    """The tiny model as GGUF; returns its weights under transformers' names."""
    config = tiny_llm.CONFIG
    weights = tiny_llm.weights(config)
    writer = gguf.GGUFWriter(path, kind)
    writer.add_block_count(2)
    writer.add_context_length(256)
    writer.add_embedding_length(64)
    writer.add_feed_forward_length(128)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    letters = sorted({*ByteLevel.alphabet()})
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([*letters, "ab", "<s>", "</s>", "<pad>"])
    writer.add_token_types([1] * 257 + [3] * 3)
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(258)
    writer.add_chat_template("{{ messages[0].content }}{{ eos_token }}")
    names = {theirs: ours for ours, theirs in weight_files._NAMES.items()}
    for name, weight in weights.items():
        parts = name.removesuffix(".weight").split(".")
        stem = f"blk.{parts[2]}.{names['.'.join(parts[3:])]}" if "layers" in name else names[".".join(parts)]
        values = weight
        if kind == "llama" and (".q_proj" in name or ".k_proj" in name):
            values = weight.reshape(-1, 2, 8, 64).transpose(1, 2).reshape(weight.shape)
        writer.add_tensor(f"{stem}.weight", np.ascontiguousarray(values.numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return weights
