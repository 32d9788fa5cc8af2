"""Sizes of declared architectures, without torch: what goes in, what comes out, and what lies between."""

from math import prod

from modelyard_server.package.card import Architecture, Cnn, Linear


def row_shape(architecture: Architecture) -> tuple[int, ...]:
    """Shape of one row that the network takes; linear and mlp flatten, so only the product counts for them."""
    if isinstance(architecture, Cnn):
        return architecture.image
    return (architecture.in_features if isinstance(architecture, Linear) else architecture.layers[0],)


def out_features(architecture: Architecture) -> int:
    """Number of scores (or values) per row."""
    if isinstance(architecture, Linear | Cnn):
        return architecture.out_features
    return architecture.layers[-1]


def flattened_features(architecture: Cnn) -> int:
    """Features after the last block: each block halves height and width, rounding down; 0 when nothing is left."""
    _, height, width = architecture.image
    halvings = len(architecture.channels)
    return prod((architecture.channels[-1], height >> halvings, width >> halvings))
