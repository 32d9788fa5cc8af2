"""The parts of `model.yaml` as frozen structs; a card that exists is consistent (see `parse`)."""

from typing import Annotated

import msgspec

from modelyard_server.package.architectures import Architecture
from modelyard_server.package.fields import Datatype, Name, Part, Text
from modelyard_server.package.steps import Postprocessing, Preprocessing
from modelyard_server.settings import Optimisation


class TensorSpec(Part, frozen=True, kw_only=True):
    """One input or output. `shape[0]` is -1 (rows); another -1 means any size."""

    name: Name
    datatype: Datatype
    shape: Annotated[tuple[int, ...], msgspec.Meta(min_length=1, max_length=8)]


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
    """torch, sklearn, onnx, python, torchscript or torch-export."""
    inputs: Annotated[tuple[TensorSpec, ...], msgspec.Meta(min_length=1, max_length=64)]
    """What a client sends."""
    outputs: Annotated[tuple[TensorSpec, ...], msgspec.Meta(min_length=1, max_length=64)]
    """What a client gets."""
    description: Text = ""
    weights: str = ""
    """File with the weights; the format's usual name when empty."""
    labels: Annotated[tuple[str, ...], msgspec.Meta(max_length=100_000)] = ()
    """Class names in the order of the model's scores; given, the model is a classifier."""
    preprocessing: tuple[Preprocessing, ...] = ()
    postprocessing: tuple[Postprocessing, ...] = ()
    architecture: Architecture | None = None
    """Network of format torch."""
    entry_point: str = ""
    """Format python: name of the model in the entry point group `modelyard.models`."""
    optimise: tuple[Optimisation, ...] = ()
    """Format torch: what is tried at load, in this order, and kept when it is faster and gives the same answers."""
    metrics: dict[str, float] = msgspec.field(default_factory=dict)
    origin: Origin = Origin()
