"""The one model, SmolLM2-135M-Instruct, in the forms that the peers take: the same weights in each."""

from __future__ import annotations

from pathlib import Path

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
    return found | {"file": found["gguf"] / "model.gguf"}
