"""Linear layers with activations between them."""

from collections import OrderedDict
from itertools import pairwise

from torch import nn

from modelyard_server.package.architectures import Linear, Mlp

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "none": nn.Identity,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
}


def linear(architecture: Linear) -> nn.Sequential:
    """One layer, `out`."""
    return nn.Sequential(layers([architecture.in_features, architecture.out_features], "none"))


def mlp(architecture: Mlp) -> nn.Sequential:
    """`fc1`, `fc2`, ..., `out`."""
    return nn.Sequential(layers(list(architecture.layers), architecture.activation))


def layers(sizes: list[int], activation: str) -> "OrderedDict[str, nn.Module]":
    """Flatten, then linear layers `fc1`, `fc2`, ... with activations between them; the last one is `out`."""
    made: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    for position, (features_in, features_out) in enumerate(pairwise(sizes), start=1):
        last = position == len(sizes) - 1
        made["out" if last else f"fc{position}"] = nn.Linear(features_in, features_out)
        if not last:
            made[f"fc{position}_activation"] = ACTIVATIONS[activation]()
    return made
