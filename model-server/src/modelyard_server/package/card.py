"""The parts of `model.yaml` as frozen structs; a card that exists is consistent (see `parse`)."""

from typing import Annotated, Literal

import msgspec

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]
Activation = Literal["relu", "tanh", "gelu"]
Positive = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")]
Text = Annotated[str, msgspec.Meta(max_length=1024)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Base of every part of the card: unknown fields are errors, so that a typo is never silently ignored."""


class TensorSpec(Part, frozen=True, kw_only=True):
    """One input or output. `shape[0]` is -1 (rows); another -1 means any size."""

    name: Name
    datatype: Datatype
    shape: Annotated[tuple[int, ...], msgspec.Meta(min_length=1, max_length=8)]


class Preprocessing(Part, frozen=True, kw_only=True):
    """What the server does to raw values of one input: `(x * scale - mean) / std`.

    `mean` and `std` hold one value, one per element of a row, or one per channel (the first dimension of a row).
    """

    input: str
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)


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


Architecture = Linear | Mlp | Cnn


class Origin(Part, frozen=True, kw_only=True):
    """Where the model comes from."""

    dataset: Text = ""
    dataset_digest: Text = ""
    training_run: Text = ""
    code_version: Text = ""
    seed: int | None = None


class ModelCard(Part, frozen=True, kw_only=True):
    """`model.yaml`, checked."""

    name: Name
    version: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
    format: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    inputs: Annotated[tuple[TensorSpec, ...], msgspec.Meta(min_length=1, max_length=64)]
    outputs: Annotated[tuple[TensorSpec, ...], msgspec.Meta(min_length=1, max_length=64)]
    description: Text = ""
    weights: str = ""
    """File with the weights; the format's usual name when empty."""
    labels: Annotated[tuple[str, ...], msgspec.Meta(max_length=100_000)] = ()
    """Class names in the order of the model's scores; given, the model is a classifier."""
    preprocessing: tuple[Preprocessing, ...] = ()
    architecture: Architecture | None = None
    metrics: dict[str, float] = {}
    origin: Origin = Origin()
