"""YAML text of `model.yaml` -> `ModelCard`. Every error names the field and what would be right."""

import difflib
import re
from collections.abc import Iterator
from math import prod
from typing import Any

import msgspec
import yaml

from modelyard_server.errors import PackageError
from modelyard_server.package import manifest, networks
from modelyard_server.package.card import Architecture, Cnn, ModelCard, Preprocessing, TensorSpec

FILE = manifest.CARD_FILE
MAX_BYTES = 4 * 1024 * 1024
CLASSIFIER_OUTPUTS = ("probabilities", "label", "class", "scores")
_CLASSIFIER_DATATYPES = {
    "probabilities": ("FP32", "FP64"), "scores": ("FP32", "FP64"), "label": ("BYTES",), "class": ("INT32", "INT64"),
}  # fmt: skip


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases and repeated keys: the first can grow without bound, the second hides a value."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise PackageError(
                f"{FILE}: line {event.start_mark.line + 1}: YAML aliases are not allowed; repeat the value"
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                raise PackageError(
                    f"{FILE}: line {node.value[position][0].start_mark.line + 1}: {key!r} is given twice"
                )
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, since the loader takes none."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (yaml's own signature)
        return True


def card(document: bytes) -> ModelCard:
    """Parse and check; raises PackageError."""
    if len(document) > MAX_BYTES:
        raise PackageError(f"{FILE}: {len(document)} bytes, allowed are {MAX_BYTES}")
    try:
        fields = yaml.load(document, Loader=_Loader)  # noqa: S506 (a SafeLoader, made stricter)
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, RecursionError) as error:
        raise PackageError(f"{FILE}: not readable as YAML: {error}") from error
    try:
        parsed = msgspec.convert(fields, ModelCard)
    except msgspec.ValidationError as error:
        raise PackageError(f"{FILE}: {_readable(str(error))}") from error
    problem = next(_problems(parsed), None)
    if problem:
        raise PackageError(f"{FILE}: {problem}")
    return parsed


def encode(model: ModelCard) -> bytes:
    """YAML text of a card; defaults are left out, so that the file says only what is particular to this model."""
    fields = msgspec.to_builtins(model)
    defaults = msgspec.to_builtins(
        ModelCard(name="x", version="x", format="x", inputs=model.inputs, outputs=model.outputs)
    )
    required = {"name", "version", "format", "inputs", "outputs"}
    kept = {key: value for key, value in fields.items() if key in required or value != defaults[key]}
    text = yaml.dump(kept, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True, default_flow_style=None)
    return text.encode()


def _readable(message: str) -> str:
    """msgspec's message with the field first: `inputs[0].shape: expected ...`."""
    text, _, path = message.partition(" - at `$")
    where = path.rstrip("`").lstrip(".")
    text = text[0].lower() + text[1:]
    if found := re.search(r"unknown field `(\w+)`", text):
        known = [field for part in (ModelCard, TensorSpec, Preprocessing) for field in part.__struct_encode_fields__]
        near = difflib.get_close_matches(found[1], known, n=1)
        text += f"; did you mean `{near[0]}`?" if near else ""
    if "expected `str`, got `int`" in text or "expected `str`, got `float`" in text:
        text += "; write the value in quotes"
    return f"{where}: {text}" if where else text


def _problems(model: ModelCard) -> Iterator[str]:
    """What msgspec cannot say: rules between fields."""
    yield from _tensor_problems("inputs", model.inputs)
    yield from _tensor_problems("outputs", model.outputs)
    if model.weights and "/" in model.weights:
        yield f"weights: {model.weights!r} must be a file in the package's top directory"
    for step in model.preprocessing:
        yield from _preprocessing_problems(model, step)
    yield from _output_problems(model)
    if model.architecture is not None:
        yield from _architecture_problems(model, model.architecture)


def _tensor_problems(field: str, tensors: tuple[TensorSpec, ...]) -> Iterator[str]:
    names = [tensor.name for tensor in tensors]
    for position, tensor in enumerate(tensors):
        where = f"{field}[{position}]"
        if tensor.name in names[:position]:
            yield f"{where}.name: {tensor.name!r} is given twice"
        if tensor.shape[0] != -1:
            yield f"{where}.shape: {list(tensor.shape)} must begin with -1 (the number of rows)"
        if any(size < 1 and size != -1 for size in tensor.shape):
            yield f"{where}.shape: {list(tensor.shape)} may hold only -1 and sizes of 1 and more"


def _preprocessing_problems(model: ModelCard, step: Preprocessing) -> Iterator[str]:
    target = next((tensor for tensor in model.inputs if tensor.name == step.input), None)
    if target is None:
        yield f"preprocessing.input: {step.input!r} is not an input; inputs are {[t.name for t in model.inputs]}"
    else:
        yield from _scaling_problems(step, target)


def _scaling_problems(step: Preprocessing, target: TensorSpec) -> Iterator[str]:
    row = target.shape[1:]
    fitting = {1, prod(row) if -1 not in row else 1, row[0] if row else 1}
    for name, values in (("mean", step.mean), ("std", step.std)):
        if len(values) not in fitting:
            yield f"preprocessing.{name}: {len(values)} values, rows are {list(row)}; give {sorted(fitting)} values"
    if any(value == 0 for value in step.std):
        yield "preprocessing.std: holds 0, which would divide by zero; use 1 for constant features"
    if target.datatype == "BYTES":
        yield f"preprocessing.input: {step.input!r} is BYTES; only numbers can be scaled"


def _output_problems(model: ModelCard) -> Iterator[str]:
    if len(set(model.labels)) != len(model.labels):
        yield "labels: each label may be given once"
    if not model.labels:
        return
    for position, output in enumerate(model.outputs):
        where, allowed = f"outputs[{position}]", _CLASSIFIER_DATATYPES.get(output.name, ())
        if output.name not in CLASSIFIER_OUTPUTS:
            yield f"{where}.name: {output.name!r}; a model with labels has {', '.join(CLASSIFIER_OUTPUTS)}"
        elif output.datatype not in allowed:
            yield f"{where}.datatype: {output.name} is {' or '.join(allowed)}, not {output.datatype}"
        elif output.name in {"probabilities", "scores"} and output.shape not in {(-1, -1), (-1, len(model.labels))}:
            yield f"{where}.shape: {list(output.shape)}; {len(model.labels)} labels need [-1, {len(model.labels)}]"
        elif output.name in {"label", "class"} and output.shape != (-1,):
            yield f"{where}.shape: {list(output.shape)}; {output.name} is [-1]"


def _architecture_problems(model: ModelCard, architecture: Architecture) -> Iterator[str]:
    if len(model.inputs) != 1:
        yield f"inputs: {len(model.inputs)} inputs; the architecture takes exactly one"
    row = model.inputs[0].shape[1:]
    needed = networks.row_shape(architecture)
    if isinstance(architecture, Cnn):
        if row != needed:
            yield f"inputs[0].shape: rows of {list(row)}; architecture.image is {list(needed)}"
        if networks.flattened_features(architecture) == 0:
            yield f"architecture.channels: {len(architecture.channels)} blocks halve {list(needed)} down to nothing"
    elif -1 in row or prod(row) != needed[0]:
        yield f"inputs[0].shape: rows of {list(row)}; the architecture takes {needed[0]} features"
    scores = networks.out_features(architecture)
    if model.labels and len(model.labels) != scores:
        yield f"labels: {len(model.labels)} labels; the architecture gives {scores} scores"
    if not model.labels and model.outputs[0].shape not in {(-1, scores), (-1,) if scores == 1 else (-1, scores)}:
        yield f"outputs[0].shape: {list(model.outputs[0].shape)}; the architecture gives [-1, {scores}]"
