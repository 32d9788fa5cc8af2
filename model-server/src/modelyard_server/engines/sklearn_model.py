"""The sklearn engine: skops files, which list every type they need before anything is built."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import skops.io  # type: ignore[import-untyped]
import threadpoolctl  # type: ignore[import-untyped]

from modelyard_server.engines import hardware, preprocessing
from modelyard_server.engines.heads import Head
from modelyard_server.engines.model import LoadOptions, Model
from modelyard_server.errors import StartupError
from modelyard_server.package.card import ModelCard
from modelyard_server.package.files import Package
from modelyard_server.protocol.datatypes import Array

DEFAULT_WEIGHTS = "model.skops"
# Data holders of scikit-learn's own compiled trees; skops does not list them, and they take arrays only.
TRUSTED = frozenset({
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
})  # fmt: skip


class SklearnModel:
    """One fitted estimator or pipeline."""

    device = "cpu"

    def __init__(self, card: ModelCard, estimator: Any, parameter_bytes: int, threads: int) -> None:
        self.parameter_bytes = parameter_bytes
        self._threads: int | None = threads
        self._estimator = estimator
        self._input = card.inputs[0].name
        self._scaler = preprocessing.scalers(card).get(self._input)
        self._head = Head(card)
        self._classifier = bool(card.labels)

    def predict(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Probabilities for classifiers, values otherwise."""
        if self._threads is not None:  # OpenMP keeps its limit by thread, so it is set on the one that computes
            threadpoolctl.threadpool_limits(self._threads)
            self._threads = None
        rows = inputs[self._input]
        if self._scaler is not None:
            rows = self._scaler(rows)
        if not self._classifier:
            return self._head.from_scores(np.asarray(self._estimator.predict(rows)))
        probabilities = np.asarray(self._estimator.predict_proba(rows))
        return self._head.classify(probabilities, probabilities)

    def device_memory(self) -> Mapping[str, int]:
        """scikit-learn computes on the CPU."""
        return {}


def load(package: Package, options: LoadOptions) -> Model:
    """Audit, then build the estimator; raises StartupError."""
    card = package.card
    path = package.root / (card.weights or DEFAULT_WEIGHTS)
    if len(card.inputs) != 1 or len(card.inputs[0].shape) != 2:
        raise StartupError("LoadFailed", "model.yaml: inputs: format sklearn takes one input of shape [-1, features]")
    if not path.is_file():
        raise StartupError("LoadFailed", f"{path.name}: no such file in the package")
    estimator = _read(path, allow=options.unsafe_formats == "Allow")
    if card.labels and not hasattr(estimator, "predict_proba"):
        raise StartupError(
            "LoadFailed", f"{path.name}: {type(estimator).__name__} has no predict_proba; labels need it"
        )
    return SklearnModel(card, estimator, _array_bytes(path), options.threads or hardware.cpu_share())


def _array_bytes(path: Path) -> int:
    """Bytes of all arrays in the file: an estimator has no list of its parameters, and its Python objects are small."""
    with zipfile.ZipFile(path) as archive:
        return sum(member.file_size for member in archive.infolist() if member.filename.endswith(".npy"))


def _read(path: Path, *, allow: bool) -> Any:
    if path.suffix != ".skops":
        raise StartupError("UnsafeFormat", f"{path.name}: can run code when it is loaded; save it with skops.io.dump")
    try:
        untrusted = set(skops.io.get_untrusted_types(file=path))
        if not allow and (foreign := sorted(untrusted - TRUSTED)):
            raise StartupError(
                "UnsafeFormat", f"{path.name}: holds types outside of scikit-learn: {', '.join(foreign[:5])}"
            )
        return skops.io.load(path, trusted=sorted(untrusted))
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, ImportError) as error:
        raise StartupError("LoadFailed", f"{path.name}: not readable by skops: {error}") from error
