"""Networks over images: plain blocks, and blocks of one's own choice up to a ResNet."""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn

from modelyard_server.engines.torch_networks import dense
from modelyard_server.package import networks
from modelyard_server.package.architectures import Block, Cnn, ConvNet, Convolution, Pool, Residual


def cnn(architecture: Cnn) -> nn.Sequential:
    """`conv1`, `conv2`, ..., then the head."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    sizes = [architecture.image[0], *architecture.channels]
    for position, (channels_in, channels_out) in enumerate(pairwise(sizes), start=1):
        layers[f"conv{position}"] = nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1)
        layers[f"conv{position}_activation"] = dense.ACTIVATIONS[architecture.activation]()
        layers[f"pool{position}"] = nn.MaxPool2d(2)
    head = [networks.flattened_features(architecture), *architecture.hidden, architecture.out_features]
    layers.update(dense.layers(head, architecture.activation))
    return nn.Sequential(layers)


def convnet(architecture: ConvNet) -> nn.Sequential:
    """`blocks.0`, `blocks.1`, ..., then the head."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels, blocks = architecture.image[0], []
    for block in architecture.blocks:
        blocks.append(_block(block, channels))
        channels = channels if isinstance(block, Pool) else block.channels
    layers["blocks"] = nn.Sequential(*blocks)
    if architecture.pooling == "average":
        layers["pool"] = nn.AdaptiveAvgPool2d(1)
    head = [networks.flattened_features(architecture), *architecture.hidden, architecture.out_features]
    layers.update(dense.layers(head, architecture.activation))
    return nn.Sequential(layers)


def _block(block: Block, channels: int) -> nn.Module:
    if isinstance(block, Convolution):
        return _convolution(block, channels)
    if isinstance(block, Pool):
        kind = nn.MaxPool2d if block.kind == "max" else nn.AvgPool2d
        return kind(block.kernel, block.stride, (block.kernel - 1) // 2)
    made = [ResidualBlock(block, channels, block.stride)]
    made += [ResidualBlock(block, block.channels, 1) for _ in range(block.repeat - 1)]
    return nn.Sequential(*made)


def _convolution(block: Convolution, channels: int) -> nn.Sequential:
    normed, padding = block.norm == "batch", (block.kernel - 1) // 2
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(channels, block.channels, block.kernel, block.stride, padding, bias=not normed)
    )
    if normed:
        layers["norm"] = nn.BatchNorm2d(block.channels)
    layers["activation"] = dense.ACTIVATIONS[block.activation]()
    return nn.Sequential(layers)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm; the input is added before the last activation."""

    def __init__(self, block: Residual, channels: int, stride: int) -> None:
        super().__init__()
        out = block.channels
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        self.activation = dense.ACTIVATIONS[block.activation]()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            projection = nn.Conv2d(channels, out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(OrderedDict(conv=projection, norm=nn.BatchNorm2d(out)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[rows, channels, height, width] to the same with the block's channels and stride."""
        inner = self.activation(self.norm1(self.conv1(images)))
        result: torch.Tensor = self.activation(self.norm2(self.conv2(inner)) + self.shortcut(images))
        return result
