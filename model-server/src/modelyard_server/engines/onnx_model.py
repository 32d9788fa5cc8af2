"""The onnx engine: ONNX Runtime with its own operators. Libraries of custom operators are never loaded."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from modelyard_server.engines import hardware, onnx_files, onnx_signature, preprocessing, samples, sequences, timing
from modelyard_server.engines.heads import Head
from modelyard_server.engines.model import LoadOptions, Model
from modelyard_server.errors import BadRequestError, StartupError
from modelyard_server.package import safety
from modelyard_server.package.card import ModelCard
from modelyard_server.package.files import Package
from modelyard_server.protocol.datatypes import NUMPY, Array

DEFAULT_WEIGHTS = "model.onnx"
CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
WORTH_IT = 1.3
"""Speed-up below which the other CPUs are better left to HTTP; as for torch."""
ERRORS_ONLY = 3
log = logging.getLogger(__name__)
Arrays = Mapping[str, Array]


class OnnxModel:
    """One session."""

    def __init__(self, card: ModelCard, session: Any, parameter_bytes: int) -> None:
        self.device = "cuda:0" if session.get_providers()[0] == CUDA else "cpu"
        self.parameter_bytes = parameter_bytes
        self._session = session
        self._feeds = Feeds(card, session)
        self._outputs = [spec.name for spec in card.outputs]
        self._head: Head | None = None
        given = [output.name for output in session.get_outputs()]
        if not set(self._outputs) <= set(given):
            self._head, self._outputs = Head(card), given[:1]

    def predict(self, inputs: Arrays) -> Arrays:
        """The declared outputs: the model's own by name, or what follows from its scores."""
        found = self._session.run(self._outputs, self._feeds(inputs))
        if self._head is not None:
            return self._head.from_scores(found[0])
        return {name: _bytes(array) for name, array in zip(self._outputs, found, strict=True)}

    def device_memory(self) -> Mapping[str, int]:
        """ONNX Runtime does not tell."""
        return {}


class Feeds:
    """Arrays of a batch as the session takes them."""

    def __init__(self, card: ModelCard, session: Any) -> None:
        types = {argument.name: onnx_signature.DATATYPES.get(argument.type, "") for argument in session.get_inputs()}
        scalers = preprocessing.scalers(card)
        steps = {step.input: step for step in card.preprocessing}
        self._types = {name: NUMPY[datatype] for name, datatype in types.items() if datatype in NUMPY}
        self._texts = {name for name, step in steps.items() if step.tokens is not None}
        self._scalers = {name: scaler for name, scaler in scalers.items() if steps[name].scales}

    def __call__(self, inputs: Arrays) -> Arrays:
        """By the names of the session's inputs."""
        feeds: dict[str, Array] = {}
        for name, array in inputs.items():
            if name in self._texts:
                feeds |= self._tokens(array)
            elif array.dtype.kind == "O":
                feeds[name] = _text(name, array)
            else:
                scaled = self._scalers[name](array) if name in self._scalers else array
                feeds[name] = scaled.astype(self._types[name], copy=False)
        return feeds

    def _tokens(self, rows: Array) -> Arrays:
        ids, lengths = sequences.padded(rows, 0)
        mask = np.arange(ids.shape[1])[np.newaxis, :] < lengths[:, np.newaxis]
        made = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return {name: array.astype(self._types[name]) for name, array in made.items() if name in self._types}


def load(package: Package, options: LoadOptions) -> Model:
    """Look through the file, open a session, compare it with the card; raises StartupError."""
    card = package.card
    path = package.root / (card.weights or DEFAULT_WEIGHTS)
    size = _check_file(package.root, path)
    providers = _providers(options)
    share = options.threads or hardware.cpu_share()
    model = OnnxModel(card, _checked(card, _session(path, providers, share)), size)
    if options.device == "cuda" and model.device == "cpu":
        raise StartupError("LoadFailed", f"device cuda was asked for, but {CUDA} does not start; see the log")
    if model.device != "cpu" or options.threads is not None or share == 1:
        return model
    one = OnnxModel(card, _session(path, providers, 1), size)
    rows = samples.of(card, options.warm_rows)
    seconds = [timing.best_seconds(lambda chosen=chosen: chosen.predict(rows)) for chosen in (model, one)]  # type: ignore[misc]
    several = seconds[1] > seconds[0] * WORTH_IT
    log.info("CPU threads chosen", extra={"threads": share if several else 1, "measured": True})
    return model if several else one


def _check_file(root: Path, path: Path) -> int:
    """Bytes of the model with its external data; raises StartupError for what leads out of the package."""
    if not path.is_file():
        raise StartupError("LoadFailed", f"{path.name}: no such file in the package")
    try:
        found = onnx_files.references(path.read_bytes())
    except ValueError as error:
        raise StartupError("LoadFailed", f"{path.name}: not readable as ONNX: {error}") from error
    if found.domains:
        domains = ", ".join(sorted(found.domains))
        message = f"{path.name}: has operators of {domains}; libraries of custom operators are not loaded"
        raise StartupError("UnsafeFormat", message)
    size = path.stat().st_size
    for location in sorted(found.locations):
        target = root / location
        if safety.path_problem(location) or not target.resolve().is_relative_to(root.resolve()):
            raise StartupError("UnsafeFormat", f"{path.name}: external data {location!r} is not inside of the package")
        if not target.is_file():
            raise StartupError("LoadFailed", f"{path.name}: external data {location!r}: no such file in the package")
        size += target.stat().st_size
    return size


def _providers(options: LoadOptions) -> list[str]:
    there = onnxruntime.get_available_providers()
    if options.device == "cpu" or (options.device == "auto" and CUDA not in there):
        return [CPU]
    if CUDA not in there:
        message = f"device cuda was asked for, but onnxruntime {onnxruntime.__version__} has {', '.join(there)}"
        raise StartupError("LoadFailed", f"{message}; the image needs onnxruntime-gpu")
    return [CUDA, CPU]


def _session(path: Path, providers: list[str], threads: int) -> Any:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = ERRORS_ONLY
    # Threads that spin between batches take the CPU from the event loop.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(path), settings, providers=providers)
    except Exception as error:  # the library has its own errors for each kind of fault
        raise StartupError("LoadFailed", f"{path.name}: ONNX Runtime does not load it: {str(error)[:500]}") from error
    return session


def _checked(card: ModelCard, session: Any) -> Any:
    """The session, when card and model agree."""
    problems = list(onnx_signature.input_problems(card, session.get_inputs()))
    given = session.get_outputs()
    handed_on = {spec.name for spec in card.outputs} <= {output.name for output in given}
    if handed_on or (len(card.outputs) > 1 and not card.labels):
        problems += onnx_signature.output_problems(card, given)
    if problems:
        raise StartupError("LoadFailed", f"model.yaml does not fit the model: {'; '.join(problems[:4])}")
    return session


def _text(name: str, array: Array) -> Array:
    try:
        return np.array([value.decode() for value in array.ravel()], np.object_).reshape(array.shape)
    except UnicodeDecodeError as error:
        raise BadRequestError(f"input {name!r}: is not UTF-8 text") from error


def _bytes(array: Array) -> Array:
    """Text of a model as bytes, which the protocol has."""
    if array.dtype.kind not in "OU":
        return array
    values = np.empty((array.size,), np.object_)
    values[:] = [str(value).encode() for value in array.ravel()]
    return values.reshape(array.shape)
