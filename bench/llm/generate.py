"""Plain transformers: one prompt, eight prompts one after the other, and eight in one batch. Prints one JSON object.

Runs in an environment of its own and imports nothing of ours but what is beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
import transformers

sys.path.insert(0, str(Path(__file__).parent))
import streams  # type: ignore[import-not-found]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", required=True, choices=("float32", "bfloat16"))
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--streams", type=int, nargs="+", required=True)
    parser.add_argument("--tokens", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(options.model)
    tokenizer.padding_side = "left"
    network: Any = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=getattr(torch, options.dtype))
    network.eval()
    run(tokenizer, network, 1, 4)
    found: dict[str, float] = {}
    for count in options.streams:
        seconds = run(tokenizer, network, count, options.tokens)
        found[f"s{count}.tokens_per_second"] = count * options.tokens / seconds
        found[f"s{count}.first_median"] = run(tokenizer, network, count, 1)
        if count > 1:
            alone = sum(run(tokenizer, network, 1, options.tokens, number) for number in range(count))
            found[f"s{count}.sequential.tokens_per_second"] = count * options.tokens / alone
    print(json.dumps(found))


def run(tokenizer: Any, network: Any, count: int, tokens: int, offset: int = 0) -> float:
    """Seconds of `count` answers in one batch."""
    turns = [[{"role": "user", "content": streams.prompt(offset + number)}] for number in range(count)]
    texts = [tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True) for turn in turns]
    started = time.perf_counter()
    inputs = tokenizer(texts, return_tensors="pt", padding=True)
    with torch.inference_mode():
        network.generate(**inputs, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
