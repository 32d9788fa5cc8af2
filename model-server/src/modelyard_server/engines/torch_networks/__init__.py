"""Declared architectures as torch modules. Parameter names (`conv1.weight`, `out.bias`) belong to the package format.

Rooms:
    dense          linear layers with activations between them
    convolutional  cnn and convnet
    recurrent, encoder, seq2seq   networks over token ids; they take ids and lengths, and padding changes no answer
    installed      classes that the image holds
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from modelyard_server.engines.torch_networks import convolutional, dense, encoder, installed, recurrent, seq2seq
from modelyard_server.package import architectures as declared

BUILDERS: dict[type[declared.Architecture], Callable[[Any], nn.Module]] = {
    declared.Linear: dense.linear,
    declared.Mlp: dense.mlp,
    declared.Cnn: convolutional.cnn,
    declared.ConvNet: convolutional.convnet,
    declared.Recurrent: recurrent.RecurrentClassifier,
    declared.Encoder: encoder.TransformerEncoder,
    declared.Seq2Seq: seq2seq.AttentionSeq2Seq,
    declared.Installed: installed.network,
}


def build(architecture: declared.Architecture) -> nn.Module:
    """The network, with fresh weights; raises StartupError for a class that the image does not hold."""
    return BUILDERS[type(architecture)](architecture)
