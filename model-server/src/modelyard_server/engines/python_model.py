"""Format python: a class of one's own, installed in the image and found by entry point; never code from a package."""

import inspect
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

import numpy as np

from modelyard_server.engines import preprocessing
from modelyard_server.engines.model import LoadOptions, Model, ModelClass
from modelyard_server.errors import StartupError
from modelyard_server.package.card import ModelCard
from modelyard_server.package.files import Package
from modelyard_server.protocol.datatypes import NUMPY, Array

GROUP = "modelyard.models"
METHODS = ("device", "parameter_bytes", "predict", "device_memory")
Arrays = Mapping[str, Array]


class PythonModel:
    """A model of the user's, with declared scaling before it and declared datatypes behind it."""

    def __init__(self, card: ModelCard, inner: Model) -> None:
        self.device = str(inner.device)
        self._inner = inner
        self._outputs = card.outputs
        steps = {step.input for step in card.preprocessing if step.scales}
        self._scalers = {name: scaler for name, scaler in preprocessing.scalers(card).items() if name in steps}

    @property
    def parameter_bytes(self) -> int:
        """As the user's class counts."""
        return int(self._inner.parameter_bytes)

    def predict(self, inputs: Arrays) -> Arrays:
        """The user's outputs as arrays of the declared datatypes; raises KeyError for one that is missing."""
        scaled = {name: scaler(inputs[name]) for name, scaler in self._scalers.items()}
        found = self._inner.predict({**inputs, **scaled})
        return {spec.name: _array(spec.datatype, found[spec.name]) for spec in self._outputs}

    def device_memory(self) -> Mapping[str, int]:
        """As the user's class counts."""
        return self._inner.device_memory()


def load(package: Package, options: LoadOptions) -> Model:
    """Find the class, let it load; raises StartupError that lists what there is."""
    card = package.card
    if not card.entry_point:
        raise StartupError("LoadFailed", f"model.yaml: entryPoint: is required for format python (group {GROUP})")
    loader = _class(card.entry_point, package.root)
    inner = loader.load(package, options)
    if missing := [name for name in METHODS if not hasattr(inner, name)]:
        message = f"{GROUP}: {card.entry_point}: {type(inner).__name__} has no {', '.join(missing)}"
        raise StartupError("LoadFailed", message)
    return PythonModel(card, inner)


def _class(name: str, root: Path) -> ModelClass:
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        message = f"model.yaml: entryPoint: {name!r} is not in this image; entry points of {GROUP}: {known}"
        raise StartupError("LoadFailed", message)
    loaded = found[name].load()
    _refuse_code_of_package(found[name], loaded, root)
    if not callable(getattr(loaded, "load", None)):
        raise StartupError("LoadFailed", f"{GROUP}: {name}: {found[name].value} has no method load(package, options)")
    return cast("ModelClass", loaded)


def _refuse_code_of_package(entry: EntryPoint, loaded: object, root: Path) -> None:
    """A package that lies on Python's path would bring its own code."""
    module = inspect.getmodule(loaded)
    file = getattr(module, "__file__", None)
    if file is not None and Path(file).resolve().is_relative_to(root.resolve()):
        message = f"{entry.value} lies inside of the package; install it in the image"
        raise StartupError("UnsafeFormat", message)


def _array(datatype: str, values: Any) -> Array:
    if datatype != "BYTES":
        return np.asarray(values).astype(NUMPY[datatype], copy=False)
    array = np.asarray(values, np.object_)
    flat = np.empty((array.size,), np.object_)
    flat[:] = [value if isinstance(value, bytes) else str(value).encode() for value in array.ravel()]
    return flat.reshape(array.shape)
