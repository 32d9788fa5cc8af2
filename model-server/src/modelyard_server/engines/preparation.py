"""The declared decoding of inputs, pictures and text, one request at a time.

It runs on the inference thread, right before the batch: the event loop stays free, what waits in the queue is as small
as the client sent it, what has expired is never decoded, and a request that cannot be decoded fails alone with 400.
Scaling follows in the engine, over the whole batch.
"""

from collections.abc import Mapping
from typing import Protocol

from modelyard_server.engines import sequences
from modelyard_server.errors import StartupError
from modelyard_server.package.architectures import TokenArchitecture
from modelyard_server.package.card import ModelCard
from modelyard_server.package.files import Package
from modelyard_server.package.steps import Preprocessing
from modelyard_server.protocol.datatypes import Array

Arrays = Mapping[str, Array]


class Step(Protocol):
    """Decodes one input."""

    def __call__(self, values: Array) -> Array: ...


class Preparation:
    """Decodes the inputs of a request; raises BadRequestError."""

    def __init__(self, steps: Mapping[str, Step]) -> None:
        self.steps = steps
        self.ragged = frozenset(name for name, step in steps.items() if isinstance(step, Ids))
        """Inputs of any length that become rows without a common one, so that all lengths run together."""

    def __call__(self, inputs: Arrays) -> Arrays:
        """The same inputs, as the model takes them; ragged rows for text and for ids."""
        return {name: self.steps[name](array) if name in self.steps else array for name, array in inputs.items()}


class Ids:
    """Token ids that a client has sent itself: what fills its rows up is dropped, and the batch filled up anew."""

    def __init__(self, padding: int) -> None:
        self._padding = padding

    def __call__(self, values: Array) -> Array:
        """[rows, tokens] to ragged rows."""
        return sequences.trimmed(values, self._padding)


def of(package: Package) -> Preparation | None:
    """What the card of a package declares, None for inputs that are numbers already; raises StartupError."""
    card = package.card
    encoded = [step for step in card.preprocessing if step.image is not None or step.tokens is not None]
    steps = {step.input: _step(package, step) for step in encoded} or _of_ids(card)
    return Preparation(steps) if steps else None


def _of_ids(card: ModelCard) -> dict[str, Step]:
    """Networks over tokens know where a row ends; only they may have rows of other lengths beside them."""
    spec = card.inputs[0]
    if isinstance(card.architecture, TokenArchitecture) and spec.shape[1:] == (-1,):
        return {spec.name: Ids(card.architecture.padding)}
    return {}


def _step(package: Package, declared: Preprocessing) -> Step:
    try:
        if declared.image is not None:
            from modelyard_server.engines.images import Images  # noqa: PLC0415 (Pillow)

            return Images(declared.input, declared.image)
        assert declared.tokens is not None  # noqa: S101 (of keeps no other)
        from modelyard_server.engines.tokens import Texts  # noqa: PLC0415 (tokenizers)

        return Texts(package.root, declared.input, declared.tokens)
    except ModuleNotFoundError as error:
        message = f"model.yaml: preprocessing of {declared.input!r} needs {error.name}, which this image does not hold"
        raise StartupError("LoadFailed", message) from error
