"""Does an ONNX model take and give what its card says? Each problem names the tensor, and both sides. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from modelyard_server.package import rules
from modelyard_server.package.card import ModelCard, TensorSpec

DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8", "tensor(uint16)": "UINT16", "tensor(uint32)": "UINT32", "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8", "tensor(int16)": "INT16", "tensor(int32)": "INT32", "tensor(int64)": "INT64",
    "tensor(float16)": "FP16", "tensor(float)": "FP32", "tensor(double)": "FP64", "tensor(string)": "BYTES",
}  # fmt: skip
FLOATS = ("FP16", "FP32", "FP64")
TOKEN_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""What a model takes for an input of text, by the names that exporters of transformers use."""


class Argument(Protocol):
    """An input or output as ONNX Runtime describes it; a size that is free has a name or is None."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def shape(self) -> Sequence[int | str | None]: ...


def input_problems(card: ModelCard, taken: Sequence[Argument]) -> Iterator[str]:
    """What is wrong with the inputs."""
    by_name = {argument.name: argument for argument in taken}
    steps = {step.input: step for step in card.preprocessing}
    expected: set[str] = set()
    for spec in card.inputs:
        step = steps.get(spec.name)
        if step is not None and step.tokens is not None:
            expected |= by_name.keys() & set(TOKEN_INPUTS) or {TOKEN_INPUTS[0]}
        elif spec.name in by_name:
            expected.add(spec.name)
            decoded = step is not None and (step.image is not None or step.scales)
            yield from _input(card, spec, by_name[spec.name], decoded=decoded)
        else:
            yield f"inputs: the model takes no {spec.name!r}; it takes {listed(by_name)}"
    if missing := expected - by_name.keys():
        yield f"inputs: a model of text takes {', '.join(sorted(missing))}; this one takes {listed(by_name)}"
    if more := by_name.keys() - expected:
        yield f"inputs: the model also takes {listed({name: by_name[name] for name in sorted(more)})}"


def _input(card: ModelCard, spec: TensorSpec, argument: Argument, *, decoded: bool) -> Iterator[str]:
    datatype = DATATYPES.get(argument.type, argument.type)
    row = rules.prepared_row(card, spec)
    if decoded and datatype not in (*FLOATS, "UINT8"):
        yield f"inputs: {spec.name} is decoded to numbers, the model takes {argument.type}"
    if not decoded and datatype != spec.datatype:
        yield f"inputs: {spec.name} is {spec.datatype}, the model takes {argument.type}"
    if not argument.shape or isinstance(argument.shape[0], int):
        yield f"inputs: {spec.name} of the model is {list(argument.shape)}; export it with a free first dimension"
    elif not _fits(row, argument.shape[1:]):
        yield f"inputs: rows of {spec.name} are {list(row)}, the model takes {list(argument.shape[1:])}"


def output_problems(card: ModelCard, given: Sequence[Argument]) -> Iterator[str]:
    """What is wrong with outputs that are handed on as they are."""
    by_name = {argument.name: argument for argument in given}
    for spec in card.outputs:
        if spec.name not in by_name:
            yield f"outputs: the model gives no {spec.name!r}; it gives {listed(by_name)}"
        elif DATATYPES.get(by_name[spec.name].type) != spec.datatype:
            yield f"outputs: {spec.name} is {spec.datatype}, the model gives {by_name[spec.name].type}"


def listed(arguments: Mapping[str, Argument]) -> str:
    """Names with type and shape."""
    return ", ".join(f"{name} {one.type} {list(one.shape)}" for name, one in arguments.items()) or "nothing"


def _fits(row: tuple[int, ...], sizes: Sequence[int | str | None]) -> bool:
    if len(row) != len(sizes):
        return False
    return all(not isinstance(size, int) or one in (-1, size) for one, size in zip(row, sizes, strict=True))
