"""Declared architectures as torch modules. Parameter names (`conv1.weight`, `out.bias`) belong to the format."""

from collections import OrderedDict
from itertools import pairwise

from torch import nn

from modelyard_server.package import networks
from modelyard_server.package.card import Architecture, Cnn, Linear

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


def build(architecture: Architecture) -> nn.Sequential:
    """The network, with fresh weights."""
    if isinstance(architecture, Linear):
        return nn.Sequential(_dense([architecture.in_features, architecture.out_features], "relu"))
    if isinstance(architecture, Cnn):
        return _cnn(architecture)
    return nn.Sequential(_dense(list(architecture.layers), architecture.activation))


def _dense(sizes: list[int], activation: str) -> "OrderedDict[str, nn.Module]":
    """Flatten, then linear layers `fc1`, `fc2`, ... with activations between them; the last one is `out`."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    for position, (features_in, features_out) in enumerate(pairwise(sizes), start=1):
        last = position == len(sizes) - 1
        layers["out" if last else f"fc{position}"] = nn.Linear(features_in, features_out)
        if not last:
            layers[f"fc{position}_activation"] = _ACTIVATIONS[activation]()
    return layers


def _cnn(architecture: Cnn) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    sizes = [architecture.image[0], *architecture.channels]
    for position, (channels_in, channels_out) in enumerate(pairwise(sizes), start=1):
        layers[f"conv{position}"] = nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1)
        layers[f"conv{position}_activation"] = _ACTIVATIONS[architecture.activation]()
        layers[f"pool{position}"] = nn.MaxPool2d(2)
    head = [networks.flattened_features(architecture), *architecture.hidden, architecture.out_features]
    layers.update(_dense(head, architecture.activation))
    return nn.Sequential(layers)
