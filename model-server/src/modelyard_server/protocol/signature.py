"""What a model takes and gives, and the check of a request's tensors against it."""

from collections.abc import Iterable, Mapping

import msgspec

from modelyard_server.errors import BadRequestError
from modelyard_server.package.card import TensorSpec
from modelyard_server.protocol.datatypes import Array


class Signature(msgspec.Struct, frozen=True):
    """Inputs and outputs in declared order; `-1` in a shape fits any size."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def input(self, name: str) -> TensorSpec:
        """The declared input; the error lists the names, since they are case-sensitive."""
        for spec in self.inputs:
            if spec.name == name:
                return spec
        raise BadRequestError(f"input {name!r}: the model has no such input; inputs are {_names(self.inputs)}")

    def output(self, name: str) -> TensorSpec:
        """The declared output."""
        for spec in self.outputs:
            if spec.name == name:
                return spec
        raise BadRequestError(f"output {name!r}: the model has no such output; outputs are {_names(self.outputs)}")


def check_tensor(spec: TensorSpec, datatype: object, shape: tuple[int, ...]) -> None:
    """Datatype and shape of one tensor of a request."""
    if datatype != spec.datatype:
        raise BadRequestError(f"input {spec.name!r}: datatype is {datatype!r}, the model takes {spec.datatype}")
    if len(shape) != len(spec.shape) or any(w not in (-1, s) for w, s in zip(spec.shape, shape, strict=True)):
        raise BadRequestError(f"input {spec.name!r}: shape is {list(shape)}, the model takes {list(spec.shape)}")


def row_count(signature: Signature, arrays: Mapping[str, Array]) -> int:
    """Rows of a request: every input is given, and all agree."""
    for spec in signature.inputs:
        if spec.name not in arrays:
            raise BadRequestError(f"input {spec.name!r}: is missing; inputs are {_names(signature.inputs)}")
    rows = {name: array.shape[0] for name, array in arrays.items()}
    if len(set(rows.values())) != 1:
        raise BadRequestError(f"inputs have different numbers of rows: {rows}")
    count: int = next(iter(rows.values()))
    if count < 1:
        raise BadRequestError("inputs have no rows; send at least one")
    return count


def _names(specs: Iterable[TensorSpec]) -> str:
    return ", ".join(spec.name for spec in specs)
