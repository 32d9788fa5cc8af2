"""The torch engine: safetensors weights in a declared architecture. No code from the package is ever run."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from modelyard_server.engines import preprocessing, samples, threads, torch_networks
from modelyard_server.engines.heads import Head
from modelyard_server.engines.model import LoadOptions, Model
from modelyard_server.errors import StartupError
from modelyard_server.package.card import ModelCard
from modelyard_server.package.files import Package
from modelyard_server.protocol.datatypes import Array

DEFAULT_WEIGHTS = "model.safetensors"
log = logging.getLogger(__name__)


class TorchModel:
    """One network on one device."""

    def __init__(self, card: ModelCard, network: nn.Module, device: str) -> None:
        self.device = device
        self._network = network
        self._input = card.inputs[0].name
        self._scaler = preprocessing.scalers(card).get(self._input)
        self._head = Head(card)
        self.threads: int | None = None
        """CPU threads of a prediction; torch's own choice while it is None."""

    @property
    def parameter_bytes(self) -> int:
        """Weights and buffers as they lie in memory (float32, whatever the file holds)."""
        tensors = (*self._network.parameters(), *self._network.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def predict(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Scale, forward, and the declared outputs."""
        if self.threads is not None:
            threads.use(self.threads)
        floats = preprocessing.as_floats(inputs[self._input], self._scaler)
        with torch.inference_mode():
            batch = torch.from_numpy(floats)
            scores = self._network(batch if self.device == "cpu" else batch.to(self.device)).cpu().numpy()
        return self._head.from_scores(scores)

    def device_memory(self) -> Mapping[str, int]:
        """Three figures that differ: live tensors, torch's cache, and what the driver counts for everybody."""
        if self.device == "cpu":
            return {}
        free, total = torch.cuda.mem_get_info(self.device)
        return {
            "allocated": torch.cuda.memory_allocated(self.device),
            "reserved": torch.cuda.memory_reserved(self.device),
            "used": total - free,
            "total": total,
        }


def load(package: Package, options: LoadOptions) -> Model:
    """Rebuild the network and fill in its weights; raises StartupError that says what does not fit."""
    card = package.card
    if card.architecture is None:
        raise StartupError("LoadFailed", "model.yaml: architecture: is required for format torch (linear, mlp or cnn)")
    device = _device(options)
    weights = _weights(
        package.root / (card.weights or DEFAULT_WEIGHTS), device, allow=options.unsafe_formats == "Allow"
    )
    with torch.device("meta"):
        network = torch_networks.build(card.architecture)
    _check_weights(card.weights or DEFAULT_WEIGHTS, network, weights)
    network.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, assign=True)
    network.eval().requires_grad_(False)
    model = TorchModel(card, network, device)
    if device == "cpu":
        rows = {spec.name: samples.zeros(spec, options.warm_rows) for spec in card.inputs}
        count = threads.choose(options.threads, lambda: model.predict(rows))
        model.threads = count
        log.info("CPU threads chosen", extra={"threads": count, "measured": options.threads is None})
    return model


def _device(options: LoadOptions) -> str:
    if options.device == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda:0"
    if options.device == "cuda":
        built = f"torch {torch.__version__}, CUDA {torch.version.cuda or 'not built in'}"
        raise StartupError("LoadFailed", f"device cuda was asked for, but no GPU is usable ({built})")
    return "cpu"


def _weights(path: Path, device: str, *, allow: bool) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise StartupError("LoadFailed", f"{path.name}: no such file in the package")
    if path.suffix == ".safetensors":
        try:
            return load_file(path, device=device)
        except (SafetensorError, OSError) as error:
            raise StartupError("LoadFailed", f"{path.name}: not readable as safetensors: {error}") from error
    if not allow:
        message = f"{path.name}: can run code when it is loaded; convert it to safetensors or allow unsafe formats"
        raise StartupError("UnsafeFormat", message)
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return state


def _check_weights(file: str, network: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Exact match of names and shapes: a forgotten layer must not serve noise."""
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    problems = [f"{name} {list(expected[name])} is missing" for name in sorted(expected.keys() - found.keys())]
    problems += [f"{name} {list(found[name])} is not part of it" for name in sorted(found.keys() - expected.keys())]
    problems += [
        f"{name} is {list(found[name])}, not {list(expected[name])}"
        for name in sorted(expected.keys() & found.keys())
        if expected[name] != found[name]
    ]
    if problems:
        more = f" and {len(problems) - 6} more" if len(problems) > 6 else ""
        raise StartupError(
            "LoadFailed", f"{file} does not fit the declared architecture: {'; '.join(problems[:6])}{more}"
        )
