"""Architectures that a card may declare for format torch, as frozen structs.

What a network computes and what its parameters are called belongs to the format; `engines.torch_networks` builds it.
"""

from typing import Annotated, Literal

import msgspec

from modelyard_server.package.fields import Name, Part, Positive

Activation = Literal["relu", "tanh", "gelu"]
Kernel = Annotated[int, msgspec.Meta(ge=1, le=31)]
Stride = Annotated[int, msgspec.Meta(ge=1, le=16)]
Depth = Annotated[int, msgspec.Meta(ge=1, le=96)]
TokenId = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Argument = bool | int | float | str | tuple[bool | int | float | str, ...]


class Linear(Part, frozen=True, kw_only=True, tag="linear", tag_field="type"):
    """One linear layer; a row is flattened first."""

    in_features: Positive
    out_features: Positive


class Mlp(Part, frozen=True, kw_only=True, tag="mlp", tag_field="type"):
    """Linear layers of the given sizes, input first, with an activation between them; a row is flattened first."""

    layers: Annotated[tuple[Positive, ...], msgspec.Meta(min_length=2, max_length=64)]
    activation: Activation = "relu"


class Cnn(Part, frozen=True, kw_only=True, tag="cnn", tag_field="type"):
    """Blocks of 3x3 convolution, activation and 2x2 max pooling, then an MLP head on the flattened features."""

    image: tuple[Positive, Positive, Positive]
    """Channels, height, width of a row."""
    channels: Annotated[tuple[Positive, ...], msgspec.Meta(min_length=1, max_length=16)]
    """Output channels of each block."""
    hidden: tuple[Positive, ...] = ()
    out_features: Positive
    activation: Activation = "relu"


class Convolution(Part, frozen=True, kw_only=True, tag="conv", tag_field="type"):
    """Convolution, normalisation, activation. Padded so that stride 1 with an odd kernel keeps height and width."""

    channels: Positive
    kernel: Kernel = 3
    stride: Stride = 1
    norm: Literal["none", "batch"] = "none"
    """With `batch` the convolution has no bias of its own."""
    activation: Literal["none", "relu", "tanh", "gelu"] = "relu"


class Pool(Part, frozen=True, kw_only=True, tag="pool", tag_field="type"):
    """Pooling over windows."""

    kind: Literal["max", "average"] = "max"
    kernel: Kernel = 2
    stride: Stride = 2


class Residual(Part, frozen=True, kw_only=True, tag="residual", tag_field="type"):
    """Basic blocks of ResNet (He et al., 2015): two 3x3 convolutions with batch norm, and the input added.

    Where stride or channels change, the input goes through a 1x1 convolution with batch norm.
    """

    channels: Positive
    stride: Stride = 1
    """Of the first block; the others have 1."""
    repeat: Depth = 1
    activation: Activation = "relu"


Block = Convolution | Pool | Residual


class ConvNet(Part, frozen=True, kw_only=True, tag="convnet", tag_field="type"):
    """Blocks in their order, global average pooling or flattening, then an MLP head; large enough for a ResNet."""

    image: tuple[Positive, Positive, Positive]
    """Channels, height, width of a row."""
    blocks: Annotated[tuple[Block, ...], msgspec.Meta(min_length=1, max_length=256)]
    pooling: Literal["average", "flatten"] = "average"
    hidden: tuple[Positive, ...] = ()
    out_features: Positive
    activation: Activation = "relu"
    """Of the head."""


class Recurrent(Part, frozen=True, kw_only=True, tag="recurrent", tag_field="type"):
    """Embedding, a recurrent network over the tokens, pooling over them, one linear layer."""

    cell: Literal["rnn", "gru", "lstm"]
    vocabulary: Positive
    embedding: Positive
    hidden: Positive
    layers: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1
    bidirectional: bool = False
    pooling: Literal["last", "mean", "max"] = "last"
    """`last` takes the state after the last token; with two directions, the last state of each."""
    out_features: Positive
    padding: TokenId = 0
    """Id at the end of a row of ids that stands for no token."""


class Encoder(Part, frozen=True, kw_only=True, tag="encoder", tag_field="type"):
    """Transformer encoder with the layers and parameter names of BERT (Devlin et al., 2018); it holds its weights.

    Without `outFeatures` it gives the pooled embedding, with them the scores of a linear layer `classifier` on it.
    """

    vocabulary: Positive
    positions: Positive = 512
    token_types: Annotated[int, msgspec.Meta(ge=0, le=16)] = 2
    """Rows of the table of token types, of which the first is used; 0 for none."""
    hidden: Positive
    layers: Depth
    heads: Annotated[int, msgspec.Meta(ge=1, le=256)]
    intermediate: Positive
    activation: Activation = "gelu"
    epsilon: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1e-12
    pooling: Literal["mean", "max", "cls", "pooler"] = "mean"
    """`cls` takes the first token, `pooler` BERT's dense layer with tanh on it."""
    normalise: bool = False
    """Divide the embedding by its length, so that a dot product is a cosine."""
    out_features: Positive | None = None
    padding: TokenId = 0
    """Id at the end of a row of ids that stands for no token."""


class Seq2Seq(Part, frozen=True, kw_only=True, tag="seq2seq", tag_field="type"):
    """A bidirectional GRU reads, a GRU with attention (Luong et al., 2015) writes, one token after the other."""

    vocabulary: Positive
    target_vocabulary: Positive
    embedding: Positive
    hidden: Positive
    start: TokenId
    """Id that the decoder begins with."""
    end: TokenId
    """Id that ends an answer."""
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    """Tokens of an answer, at most."""
    beams: Annotated[int, msgspec.Meta(ge=1, le=32)] = 1
    """Answers that are followed side by side; 1 takes the best token at each step."""
    padding: TokenId = 0
    """Id at the end of a row of ids that stands for no token."""


class Installed(Part, frozen=True, kw_only=True, tag="installed", tag_field="type"):
    """A network class that is installed in the image, found by its entry point in the group `modelyard.networks`."""

    name: Name
    arguments: dict[str, Argument] = msgspec.field(default_factory=dict)
    """Keyword arguments of the class."""


TokenArchitecture = Recurrent | Encoder | Seq2Seq
ImageArchitecture = Cnn | ConvNet
ScoringArchitecture = Linear | Mlp | Cnn | ConvNet | Recurrent | Encoder
Architecture = Linear | Mlp | Cnn | ConvNet | Recurrent | Encoder | Seq2Seq | Installed
