"""Formats torchscript and torch-export: files that are programs.

Reading one can run whatever its author wrote, so both conditions must hold: `unsafeFormats: Allow`, and a digest that
was pinned (`spec.model.digest`) and that the files have, checked here again.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from modelyard_server.engines import preprocessing, torch_device
from modelyard_server.engines.heads import Head
from modelyard_server.engines.model import LoadOptions, Model
from modelyard_server.errors import PackageError, StartupError
from modelyard_server.package import files
from modelyard_server.package.card import ModelCard
from modelyard_server.package.files import Package
from modelyard_server.protocol.datatypes import Array

DEFAULT_WEIGHTS = {"torchscript": "model.pt", "torch-export": "model.pt2"}
Arrays = Mapping[str, Array]


class TorchProgram:
    """A program on one device."""

    def __init__(self, card: ModelCard, program: torch.nn.Module, device: str) -> None:
        self.device = device
        self._program = program
        self._head = Head(card)
        scalers = preprocessing.scalers(card)
        scaled = {step.input for step in card.preprocessing if step.scales or step.image is not None}
        self._inputs = [(spec.name, scalers[spec.name] if spec.name in scaled else None) for spec in card.inputs]

    @property
    def parameter_bytes(self) -> int:
        """Weights and buffers."""
        tensors = (*self._program.parameters(), *self._program.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def predict(self, inputs: Arrays) -> Arrays:
        """Tensors in the order of the card's inputs; the program's tensor becomes the declared outputs."""
        arrays = [scaler(inputs[name]) if scaler is not None else inputs[name] for name, scaler in self._inputs]
        batch = [torch.from_numpy(np.require(array, None, ["C", "W"])).to(self.device) for array in arrays]
        with torch.no_grad():  # a program may hold its own idea of inference mode
            return self._head.from_scores(self._program(*batch).float().cpu().numpy())

    def device_memory(self) -> Mapping[str, int]:
        """Of the accelerator."""
        return torch_device.memory(self.device)


def load(package: Package, options: LoadOptions) -> Model:
    """Check both conditions, then read the program; raises StartupError."""
    card = package.card
    path = package.root / (card.weights or DEFAULT_WEIGHTS[card.format])
    _require_trust(package, path, options)
    device = torch_device.choose(options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has deprecated TorchScript, and says so at every load
        if card.format == "torchscript":
            program = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
        else:
            program = torch.export.load(path).module().to(device)
    return TorchProgram(card, program, device)


def _require_trust(package: Package, path: Path, options: LoadOptions) -> None:
    """Raises StartupError unless this very package was named as trusted."""
    what = f"{path.name}: format {package.card.format} runs code when it is loaded"
    if options.unsafe_formats != "Allow":
        raise StartupError("UnsafeFormat", f"{what}; set spec.model.unsafeFormats to Allow, or export to onnx")
    if not options.digest:
        raise StartupError("UnsafeFormat", f"{what}; pin the package's digest, {package.digest}, in spec.model.digest")
    try:
        found = files.verify(package.root)
    except PackageError as error:
        raise StartupError("UnsafeFormat", f"{what}, and the package is not what its manifest says: {error}") from error
    if found != options.digest:
        raise StartupError("UnsafeFormat", f"{what}; its digest is {found}, trusted is {options.digest}")
    if not path.is_file():
        raise StartupError("LoadFailed", f"{path.name}: no such file in the package")
