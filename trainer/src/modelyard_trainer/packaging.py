"""A trained model as a package directory: card, weights, reference, manifest."""

from collections.abc import Callable
from pathlib import Path

import msgspec

import modelyard_trainer
from modelyard_server.package import files, parse
from modelyard_server.package.card import ModelCard, Origin
from modelyard_trainer.datasets import Dataset
from modelyard_trainer.features import Reference

REFERENCE_FILE = "reference.json"
CODE_VERSION = f"modelyard-trainer {modelyard_trainer.__version__}"


class RunOptions(msgspec.Struct, frozen=True):
    """What a training run is asked for."""

    out: Path
    version: str
    epochs: int
    seed: int
    publish: str = ""
    credentials: Path | None = None
    data: Path | None = None
    """Where a recipe finds what it cannot make itself."""


def origin(dataset: Dataset, options: RunOptions, source: str = "scikit-learn") -> Origin:
    """Enough to do the run again."""
    return Origin(
        dataset=f"{source} {dataset.name}",
        dataset_digest=dataset.digest,
        code_version=CODE_VERSION,
        seed=options.seed,
    )


def write(root: Path, card: ModelCard, reference: Reference | None, save_weights: Callable[[Path], None]) -> str:
    """Write all files and return the package digest. An older package in `root` is replaced, other files are not."""
    root.mkdir(parents=True, exist_ok=True)
    foreign = [entry.name for entry in root.iterdir()]
    if foreign and parse.FILE not in foreign:
        raise FileExistsError(
            f"{root}: holds {', '.join(sorted(foreign)[:3])} and no model.yaml; choose an empty --out"
        )
    for entry in root.iterdir():
        entry.unlink()
    (root / parse.FILE).write_bytes(parse.encode(card))
    if reference is not None:
        (root / REFERENCE_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(reference), indent=1) + b"\n")
    save_weights(root)
    for entry in root.iterdir():
        entry.chmod(0o644)  # safetensors writes 0600, and a claim's reader has another uid
    return files.seal(root)
