"""The model as every peer runs it: plain torch, from a folder that the benchmark wrote."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

FOLDER = Path(os.environ.get("BENCH_MODEL", "."))
PORT = int(os.environ.get("BENCH_PORT", "8080"))
NAME = os.environ.get("BENCH_NAME", "model")


class Network:
    """A loaded network."""

    def __init__(self, folder: Path = FOLDER) -> None:
        described = json.loads((folder / "network.json").read_text())
        self.row: tuple[int, ...] = tuple(described["row"])
        self.outputs: int = described["outputs"]
        if described["threads"]:
            torch.set_num_threads(described["threads"])
        self._module = build(described)
        self._module.load_state_dict(torch.load(folder / "weights.pt", weights_only=True))
        self._module.eval()
        self(np.zeros((1, *self.row), np.float32))

    def __call__(self, rows: Any) -> Any:
        """Scores of rows, float32."""
        array = np.require(rows, np.float32, ["C", "W"]).reshape((-1, *self.row))
        with torch.inference_mode():
            return self._module(torch.from_numpy(array)).numpy()


def build(described: dict[str, Any]) -> nn.Sequential:
    """Convolutions with pooling, then linear layers; either part may be absent."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for at, (channels, more) in enumerate(pairwise(described["channels"]), start=1):
        layers[f"conv{at}"] = nn.Conv2d(channels, more, kernel_size=3, padding=1)
        layers[f"conv{at}_activation"] = nn.ReLU()
        layers[f"pool{at}"] = nn.MaxPool2d(2)
    layers["flatten"] = nn.Flatten()
    sizes = list(pairwise(described["layers"]))
    for at, (features, more) in enumerate(sizes, start=1):
        layers["out" if at == len(sizes) else f"fc{at}"] = nn.Linear(features, more)
        if at < len(sizes):
            layers[f"fc{at}_activation"] = nn.ReLU()
    return nn.Sequential(layers)
