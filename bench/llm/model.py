"""The one model, SmolLM2-135M-Instruct, in the forms that the peers take: the same weights in each."""

from __future__ import annotations

import json
from pathlib import Path

from bench.llm import streams
from modelyard_server.generation import chat, gguf_file
from modelyard_trainer import language
from modelyard_trainer.packaging import RunOptions

NAME = "smollm2"
WEIGHTS = 134_515_008


def prepare(folder: Path, file: Path | None) -> dict[str, Path]:
    """Path by form; `file` is the GGUF file, the installed package's when it is None."""
    found = {}
    for form, recipe in (("gguf", language.gguf), ("transformers", language.safetensors)):
        found[form] = folder / form
        recipe(RunOptions(found[form], "1", 0, 0, data=file))
    (folder / "prompts.json").write_text(json.dumps(_prompts(found["gguf"] / "model.gguf")))
    return found | {"file": found["gguf"] / "model.gguf", "prompts": folder / "prompts.json"}


def _prompts(file: Path) -> list[str]:
    """As text, for a peer that knows no chat template."""
    template = chat.from_gguf(gguf_file.read(file).fields)
    assert template is not None
    turns = [[{"role": "user", "content": streams.prompt(number)}] for number in range(len(streams.TOPICS))]
    return [template.render(turn, None) for turn in turns]
