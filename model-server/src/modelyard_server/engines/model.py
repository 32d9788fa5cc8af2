"""What the server needs from a loaded model; new engines implement this and nothing else.

Four methods of a loaded model and `load`, which gives one: a class of these five serves, see format python.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from modelyard_server.package.files import Package
from modelyard_server.protocol.datatypes import Array
from modelyard_server.settings import Device, Optimisation, Precision, UnsafeFormats


class Model(Protocol):
    """A loaded model. Called by one thread only; rows are axis 0 of every array."""

    @property
    def device(self) -> str:
        """Where it computes: `cpu` or `cuda:0`."""

    @property
    def parameter_bytes(self) -> int:
        """Memory of weights and buffers: what loading the model added for good, wherever it computes."""

    def predict(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Outputs for the declared inputs, each with as many rows as the inputs."""

    def device_memory(self) -> Mapping[str, int]:
        """Bytes of accelerator memory by kind (allocated, reserved, used); empty on a CPU."""


class ModelClass(Protocol):
    """What an entry point of format python names: a class with the methods of `Model`, or anything that loads one."""

    def load(self, package: Package, options: "LoadOptions") -> Model:
        """A loaded model. Files of the package lie in `package.root`, its card is `package.card`."""


class LoadOptions(msgspec.Struct, frozen=True):
    """How to load: the settings an engine may look at."""

    device: Device = "auto"
    threads: int | None = None
    unsafe_formats: UnsafeFormats = "Deny"
    warm_rows: int = 1
    precision: Precision = "auto"
    max_sequences: int = 8
    max_context: int = 4096
    digest: str = ""
    """Digest that the package was pinned to; empty when it was not."""
    optimise: tuple[Optimisation, ...] | None = None
    """In place of what the card asks for."""
