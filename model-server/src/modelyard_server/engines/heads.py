"""From a network's scores to the outputs that the card declares."""

import numpy as np

from modelyard_server.errors import StartupError
from modelyard_server.package.card import ModelCard
from modelyard_server.protocol.datatypes import NUMPY, Array

TOP = ("top_classes", "top_labels", "top_probabilities")


class Head:
    """Builds the declared outputs of one model."""

    def __init__(self, card: ModelCard) -> None:
        if not card.labels and len(card.outputs) != 1:
            message = f"model.yaml: outputs: {len(card.outputs)} outputs; a model without labels has exactly one"
            raise StartupError("LoadFailed", message)
        self._outputs = card.outputs
        self._classifier = bool(card.labels)
        self._labels = np.empty((len(card.labels),), np.object_)
        self._labels[:] = [label.encode() for label in card.labels]
        self._best = max((spec.shape[1] for spec in card.outputs if spec.name in TOP), default=0)

    def from_scores(self, scores: Array) -> dict[str, Array]:
        """Outputs from raw scores (logits), or from values for a model without labels."""
        if not self._classifier:
            return {self._outputs[0].name: _fit(scores, self._outputs[0].shape, self._outputs[0].datatype)}
        wants_probabilities = any(spec.name.endswith("probabilities") for spec in self._outputs)
        return self.classify(scores, softmax(scores) if wants_probabilities else scores)

    def classify(self, scores: Array, probabilities: Array) -> dict[str, Array]:
        """Outputs of a classifier."""
        best = scores.argmax(axis=1)
        made = {"scores": scores, "probabilities": probabilities, "class": best, "label": self._labels[best]}
        if self._best:
            made |= self._top(scores, probabilities)
        return {spec.name: _fit(made[spec.name], spec.shape, spec.datatype) for spec in self._outputs}

    def _top(self, scores: Array, probabilities: Array) -> dict[str, Array]:
        """The best classes of each row, best first; of equal scores the first class, as argmax has it."""
        classes = np.argsort(-scores, axis=1, kind="stable")[:, : self._best]
        best = np.take_along_axis(probabilities, classes, axis=1)
        return {"top_classes": classes, "top_labels": self._labels[classes], "top_probabilities": best}


def softmax(scores: Array) -> Array:
    """Row-wise softmax; the row's maximum is taken off first, so that no exponential overflows."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: Array = shifted / shifted.sum(axis=1, keepdims=True)
    return result


def _fit(array: Array, shape: tuple[int, ...], datatype: str) -> Array:
    """The declared datatype; a single column becomes a plain list of values when the card says `[-1]`."""
    if len(shape) == 1 and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return array.astype(NUMPY[datatype], copy=False)
