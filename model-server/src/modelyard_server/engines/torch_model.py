"""The torch engine: safetensors weights in a declared architecture. No code from the package is ever run."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from modelyard_server.engines import (
    samples,
    threads,
    torch_device,
    torch_inputs,
    torch_networks,
    torch_options,
    torch_weights,
)
from modelyard_server.engines.model import LoadOptions, Model
from modelyard_server.errors import StartupError
from modelyard_server.package.architectures import Encoder, Installed, Recurrent
from modelyard_server.package.card import ModelCard
from modelyard_server.package.files import Package
from modelyard_server.protocol.datatypes import Array
from modelyard_server.settings import Optimisation

log = logging.getLogger(__name__)
Arrays = Mapping[str, Array]


class TorchModel:
    """One network on one device."""

    def __init__(self, package: Package, network: nn.Module, device: str) -> None:
        self.device = device
        self.network = network
        """For those who need gradients; `forward` is what answers."""
        self._by_length = isinstance(package.card.architecture, Recurrent | Encoder)
        self.forward: Callable[..., Any] = network
        self.answer_with(network)
        self.tensors = torch_inputs.inputs_of(package.card)
        self.outputs = torch_inputs.outputs_of(package.card, package.root)
        self.threads: int | None = None
        """CPU threads of a prediction; torch's own choice while it is None."""

    def answer_with(self, network: Callable[..., Any]) -> None:
        """Compute with this from now on: the network, or a faster one that gives the same."""
        self.forward = torch_inputs.ByLength(network) if self._by_length else network

    @property
    def parameter_bytes(self) -> int:
        """Weights and buffers as they lie in memory (float32, whatever the file holds)."""
        tensors = (*self.network.parameters(), *self.network.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def predict(self, inputs: Arrays) -> Arrays:
        """Scale or pad, forward, and the declared outputs."""
        if self.threads is not None:
            threads.use(self.threads)
        batch = self.tensors(inputs)
        with torch.inference_mode():
            if self.device != "cpu":
                batch = tuple(tensor.to(self.device) for tensor in batch)
            return self.outputs(self.forward(*batch))

    def device_memory(self) -> Mapping[str, int]:
        """Three figures that differ: live tensors, torch's cache, and what the driver counts for everybody."""
        return torch_device.memory(self.device)


def load(package: Package, options: LoadOptions) -> Model:
    """Rebuild the network and fill in its weights; raises StartupError that says what does not fit."""
    card = package.card
    if card.architecture is None:
        raise StartupError("LoadFailed", "model.yaml: architecture: is required for format torch")
    device = torch_device.choose(options)
    # A class of the image may make its own buffers; those of ours come from the file, and so does their memory.
    with torch.device("cpu" if isinstance(card.architecture, Installed) else "meta"):
        network = torch_networks.build(card.architecture)
    path = package.root / (card.weights or torch_weights.DEFAULT)
    torch_weights.fill(network, path, device, allow_unsafe=options.unsafe_formats == "Allow")
    model = TorchModel(package, network.to(device), device)
    if device == "cpu":
        rows = samples.of(card, options.warm_rows)
        count = threads.choose(options.threads, lambda: model.predict(rows))
        model.threads = count
        log.info("CPU threads chosen", extra={"threads": count, "measured": options.threads is None})
    _optimise(model, card.optimise if options.optimise is None else options.optimise, card, options.warm_rows)
    return model


def _optimise(model: TorchModel, wanted: Sequence[Optimisation], card: ModelCard, most_rows: int) -> None:
    """Try what is wanted, on the batch sizes that are warmed up."""
    if wanted:
        probes = [model.tensors.probe(samples.of(card, rows)) for rows in sorted({1, most_rows})]
        batches = [tuple(tensor.to(model.device) for tensor in probe) for probe in probes]
        model.answer_with(torch_options.choose(model.network, wanted, batches, model.device))
