"""An engine for tests: gives back its inputs, and on certain first values misbehaves the way real models do."""

import threading
from collections.abc import Mapping

import numpy as np

from modelyard_server.engines.model import LoadOptions, Model
from modelyard_server.errors import StartupError
from modelyard_server.package.files import Package
from modelyard_server.protocol.datatypes import Array

POISON, BLOCK, DIE = 66, 67, 68
gate = threading.Event()
"""Set to let a blocked batch go on."""
blocked = threading.Event()
"""Set once a batch waits at the gate."""
batches: list[int] = []
"""Rows of each batch since the test cleared it."""


class EchoModel:
    device = "cpu"
    parameter_bytes = 8

    def __init__(self, package: Package) -> None:
        self._pairs = list(zip(package.card.inputs, package.card.outputs, strict=True))

    def predict(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        first = next(iter(inputs.values()))
        batches.append(len(first))
        if first.dtype.kind != "O":
            self._misbehave(first)
        return {output.name: inputs[spec.name] for spec, output in self._pairs}

    def device_memory(self) -> Mapping[str, int]:
        return {}

    @staticmethod
    def _misbehave(first: Array) -> None:
        marks = {int(value) for value in first.ravel() if not np.isnan(value)}
        if BLOCK in marks:
            blocked.set()
            gate.wait(20)
        if DIE in marks:
            raise SystemExit
        if POISON in marks:
            raise ValueError("poisoned row")


def load(package: Package, options: LoadOptions) -> Model:
    if package.card.description == "blocks while it loads":
        gate.wait(20)
    if package.card.description == "does not load":
        raise StartupError("LoadFailed", "weights are missing")
    if package.card.description == "leaves while it loads":
        raise SystemExit("good bye")
    return EchoModel(package)
