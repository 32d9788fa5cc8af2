"""The models: our package, the peers' copy of it, and the scores that every server must give."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from modelyard_server.engines import torch_networks
from modelyard_server.package import files, parse
from modelyard_server.package.architectures import Architecture, Cnn, Mlp
from modelyard_server.package.card import ModelCard, TensorSpec

Array = np.ndarray[Any, np.dtype[Any]]
MODELS: dict[str, Architecture] = {
    # 102 thousand parameters: what a server costs beside a model that costs nothing.
    "mlp": Mlp(layers=(784, 128, 10)),
    # 11.2 million parameters and 1.2 billion multiplications for a row: the size of ResNet-18.
    "cnn": Cnn(image=(3, 128, 128), channels=(64, 128, 256, 512, 1024), hidden=(256,), out_features=1000),
}
TITLES = {"mlp": "MLP 784-128-10", "cnn": "CNN of the size of ResNet-18, images of 3 x 128 x 128"}


@dataclass(frozen=True)
class Built:
    """One model on disk. `package` is ours, `folder` the peers'."""

    name: str
    package: Path
    folder: Path
    row: tuple[int, ...]
    outputs: int
    input: Array
    """One row."""
    reference: Array
    """Its scores."""


def build(name: str, root: Path) -> Built:
    """Write a model in both forms."""
    architecture = MODELS[name]
    torch.manual_seed(0)
    network = torch_networks.build(architecture).eval()
    row = architecture.image if isinstance(architecture, Cnn) else (784,)
    outputs = architecture.out_features if isinstance(architecture, Cnn) else 10
    values = (np.arange(int(np.prod(row))) * 7 % 100 / 100).astype(np.float32).reshape((1, *row))
    with torch.inference_mode():
        reference = network(torch.from_numpy(values)).numpy()
    weights = dict(network.state_dict())
    package = _package(name, root / "repository" / name / "1", weights, (row, outputs))
    folder = root / "peers" / name
    folder.mkdir(parents=True)
    torch.save(weights, folder / "weights.pt")
    (folder / "network.json").write_text(json.dumps(_described(architecture, row, outputs)))
    return Built(name, package, folder, row, outputs, values, reference)


def _package(name: str, root: Path, weights: dict[str, torch.Tensor], sizes: tuple[tuple[int, ...], int]) -> Path:
    root.mkdir(parents=True)
    save_file(weights, root / "model.safetensors")
    card = ModelCard(
        name=name,
        version="1",
        format="torch",
        inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, *sizes[0])),),
        outputs=(TensorSpec(name="y", datatype="FP32", shape=(-1, sizes[1])),),
        architecture=MODELS[name],
    )
    (root / parse.FILE).write_bytes(parse.encode(card))
    files.seal(root)
    return root


def _described(architecture: Architecture, row: tuple[int, ...], outputs: int) -> dict[str, Any]:
    """For apps/network.py. A model of microseconds is slower with more threads; a large one is faster with all."""
    if isinstance(architecture, Cnn):
        pixels = row[1] * row[2] // 4 ** len(architecture.channels)
        layers = [architecture.channels[-1] * pixels, *architecture.hidden, outputs]
        return {"row": row, "outputs": outputs, "channels": [row[0], *architecture.channels], "layers": layers,
                "threads": 0}  # fmt: skip
    return {"row": row, "outputs": outputs, "channels": [], "layers": [784, 128, 10], "threads": 1}
