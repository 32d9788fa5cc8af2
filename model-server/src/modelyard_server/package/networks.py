"""Sizes of declared architectures, without torch: what goes in, what comes out, and what lies between."""

from math import prod

from modelyard_server.package.architectures import (
    Block,
    Cnn,
    ConvNet,
    Encoder,
    ImageArchitecture,
    Linear,
    Mlp,
    Pool,
    Recurrent,
    Residual,
    ScoringArchitecture,
)


def row_shape(architecture: Linear | Mlp | ImageArchitecture) -> tuple[int, ...]:
    """Shape of one row that the network takes; linear and mlp flatten, so only the product counts for them."""
    if isinstance(architecture, Cnn | ConvNet):
        return architecture.image
    return (architecture.in_features if isinstance(architecture, Linear) else architecture.layers[0],)


def out_features(architecture: ScoringArchitecture) -> int:
    """Number of scores (or values) per row."""
    if isinstance(architecture, Mlp):
        return architecture.layers[-1]
    if isinstance(architecture, Encoder):
        return architecture.out_features or architecture.hidden
    return architecture.out_features


def flattened_features(architecture: ImageArchitecture) -> int:
    """Features that the head takes; 0 when nothing is left of the image."""
    channels, height, width = architecture.image
    if isinstance(architecture, Cnn):
        halvings = len(architecture.channels)
        return prod((architecture.channels[-1], height >> halvings, width >> halvings))
    for block in architecture.blocks:
        channels, height, width = _after(block, (channels, height, width))
    return channels * (min(1, height * width) if architecture.pooling == "average" else height * width)


def _after(block: Block, image: tuple[int, int, int]) -> tuple[int, int, int]:
    """Shape behind a block. Every window is padded by half of what it is wider than one pixel, rounded down."""
    channels = image[0] if isinstance(block, Pool) else block.channels
    kernel = 3 if isinstance(block, Residual) else block.kernel
    height, width = (max(0, (size + (kernel - 1) // 2 * 2 - kernel) // block.stride + 1) for size in image[1:])
    return channels, height, width


def pooled_features(architecture: Recurrent) -> int:
    """Features behind the recurrent network."""
    return architecture.hidden * (2 if architecture.bidirectional else 1)
