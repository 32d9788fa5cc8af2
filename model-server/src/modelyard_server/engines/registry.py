"""Format -> engine. Loads, warms up and checks a model against its own card."""

import importlib
from collections.abc import Callable, Mapping
from typing import cast

from modelyard_server.engines import samples
from modelyard_server.engines.model import LoadOptions, Model
from modelyard_server.errors import StartupError
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.package.files import Package
from modelyard_server.protocol.datatypes import Array

ENGINES: Mapping[str, str] = {
    "torch": "modelyard_server.engines.torch_model",
    "sklearn": "modelyard_server.engines.sklearn_model",
    "onnx": "modelyard_server.engines.onnx_model",
    "python": "modelyard_server.engines.python_model",
    "torchscript": "modelyard_server.engines.torch_program",
    "torch-export": "modelyard_server.engines.torch_program",
    "transformers": "modelyard_server.engines.generation_model",
    "gguf": "modelyard_server.engines.generation_model",
}


def load(package: Package, options: LoadOptions) -> Model:
    """Build and warm up; raises StartupError with a reason for the operator."""
    model = build(package, options)
    warm_up(model, package.card, options.warm_rows)
    return model


def build(package: Package, options: LoadOptions) -> Model:
    """Read the weights; raises StartupError, also for code that wants to end the process."""
    name = package.card.format
    if name not in ENGINES:
        raise StartupError(
            "LoadFailed", f"model.yaml: format: {name!r} is not served here; formats are {', '.join(ENGINES)}"
        )
    try:
        module = importlib.import_module(ENGINES[name])
    except ModuleNotFoundError as error:
        message = f"format {name} needs {error.name}, which this image does not hold"
        raise StartupError("LoadFailed", message) from error
    engine = cast("Callable[[Package, LoadOptions], Model]", module.load)
    try:
        return engine(package, options)
    except StartupError:
        raise
    except (Exception, SystemExit) as error:
        raise StartupError("LoadFailed", f"{type(error).__name__}: {error}") from error


def warm_up(model: Model, card: ModelCard, most_rows: int) -> None:
    """Run the smallest and the largest batch; raises StartupError."""
    for rows in sorted({1, most_rows}):
        _warm_up(model, card, rows)


def _warm_up(model: Model, card: ModelCard, rows: int) -> None:
    """One batch of zeros: allocates buffers, and proves that card and weights agree before traffic does."""
    try:
        outputs = model.predict(samples.of(card, rows))
    except (Exception, SystemExit) as error:
        message = f"warm-up with {rows} rows of zeros failed: {type(error).__name__}: {error}"
        raise StartupError("LoadFailed", message) from error
    for spec in card.outputs:
        _check_output(spec, outputs.get(spec.name), rows)


def _check_output(spec: TensorSpec, array: Array | None, rows: int) -> None:
    if array is None:
        raise StartupError("LoadFailed", f"model.yaml: outputs: the model gives no {spec.name!r}")
    expected = (rows, *spec.shape[1:])
    if len(array.shape) != len(expected) or any(e not in (-1, a) for e, a in zip(expected, array.shape, strict=True)):
        message = (
            f"model.yaml: outputs: {spec.name} is {list(spec.shape)}, the model gives [-1, {list(array.shape[1:])}]"
        )
        raise StartupError("LoadFailed", message)
