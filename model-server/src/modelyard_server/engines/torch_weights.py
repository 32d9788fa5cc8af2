"""Weights of a torch model: read from safetensors, and checked against the network before they are filled in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from modelyard_server.errors import StartupError

DEFAULT = "model.safetensors"


def fill(network: nn.Module, path: Path, device: str, *, allow_unsafe: bool) -> None:
    """Fill in the weights of a file; floating ones become float32. Raises StartupError that says what does not fit."""
    weights = _read(path, device, allow=allow_unsafe)
    _check(path.name, network, weights)
    ready = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    network.load_state_dict(ready, assign=True)
    network.eval().requires_grad_(False)


def _read(path: Path, device: str, *, allow: bool) -> dict[str, torch.Tensor]:
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


def _check(file: str, network: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
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
