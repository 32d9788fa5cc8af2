"""Rules between the fields of a card, which a type cannot say. Each problem names the field and what would be right."""

from collections.abc import Iterator
from math import prod

from modelyard_server.package import networks
from modelyard_server.package.architectures import (
    Architecture,
    Cnn,
    ConvNet,
    Encoder,
    Installed,
    Linear,
    Mlp,
    ScoringArchitecture,
    Seq2Seq,
    TokenArchitecture,
)
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.package.steps import Preprocessing

CLASSIFIER_OUTPUTS = (
    "probabilities", "label", "class", "scores", "top_labels", "top_classes", "top_probabilities",
)  # fmt: skip
_DATATYPES = {
    "probabilities": ("FP32", "FP64"), "scores": ("FP32", "FP64"), "label": ("BYTES",), "class": ("INT32", "INT64"),
    "top_labels": ("BYTES",), "top_classes": ("INT32", "INT64"), "top_probabilities": ("FP32", "FP64"),
    "text": ("BYTES",), "tokens": ("INT32", "INT64"), "score": ("FP32", "FP64"),
}  # fmt: skip
_WRITTEN_SHAPES = {"text": (-1,), "tokens": (-1, -1), "score": (-1,)}
"""Outputs of a network that writes tokens, and their shapes."""
FREE_FORMATS = frozenset({"python"})
"""Formats whose outputs are whatever their code gives, labels or not."""


def problems(model: ModelCard) -> Iterator[str]:
    """Everything that is wrong, one at a time."""
    yield from _tensors("inputs", model.inputs)
    yield from _tensors("outputs", model.outputs)
    if model.weights and "/" in model.weights:
        yield f"weights: {model.weights!r} must be a file in the package's top directory"
    for step in model.preprocessing:
        yield from _preprocessing(model, step)
    for last in model.postprocessing:
        target = next((output for output in model.outputs if output.name == last.output), None)
        if target is None:
            yield f"postprocessing.output: {last.output!r} is not an output; outputs are {_names(model.outputs)}"
        elif target.datatype != "BYTES" or not isinstance(model.architecture, Seq2Seq):
            yield f"postprocessing.output: {last.output!r} is no text that a seq2seq network writes"
    yield from _classifier(model)
    if model.architecture is not None:
        yield from _architecture(model, model.architecture)


def prepared_row(model: ModelCard, spec: TensorSpec) -> tuple[int, ...]:
    """Shape of a row of an input behind its preprocessing."""
    image = next((step.image for step in model.preprocessing if step.input == spec.name), None)
    return (image.channels, *image.size) if image is not None else spec.shape[1:]


def _names(tensors: tuple[TensorSpec, ...]) -> list[str]:
    return [tensor.name for tensor in tensors]


def _tensors(field: str, tensors: tuple[TensorSpec, ...]) -> Iterator[str]:
    names = _names(tensors)
    for position, tensor in enumerate(tensors):
        where = f"{field}[{position}]"
        if tensor.name in names[:position]:
            yield f"{where}.name: {tensor.name!r} is given twice"
        if tensor.shape[0] != -1:
            yield f"{where}.shape: {list(tensor.shape)} must begin with -1 (the number of rows)"
        if any(size < 1 and size != -1 for size in tensor.shape):
            yield f"{where}.shape: {list(tensor.shape)} may hold only -1 and sizes of 1 and more"


def _preprocessing(model: ModelCard, step: Preprocessing) -> Iterator[str]:
    target = next((tensor for tensor in model.inputs if tensor.name == step.input), None)
    if target is None:
        yield f"preprocessing.input: {step.input!r} is not an input; inputs are {_names(model.inputs)}"
    else:
        yield from _steps(model, step, target)


def _steps(model: ModelCard, step: Preprocessing, target: TensorSpec) -> Iterator[str]:
    if [other.input for other in model.preprocessing].count(step.input) > 1:
        yield f"preprocessing.input: {step.input!r} is given twice; one entry holds all steps of an input"
    if step.image is not None and step.tokens is not None:
        yield f"preprocessing: {step.input!r} is a picture or a text; give image or tokens"
    encoded = step.image is not None or step.tokens is not None
    if encoded and (target.datatype, target.shape) != ("BYTES", (-1,)):
        kind = "image" if step.image is not None else "tokens"
        yield f"preprocessing.{kind}: {step.input!r} must be BYTES of shape [-1]"
    elif step.tokens is not None and step.scales:
        yield f"preprocessing.scale: {step.input!r} becomes token ids; only numbers can be scaled"
    elif not encoded and target.datatype == "BYTES":
        yield f"preprocessing.input: {step.input!r} is BYTES; only numbers can be scaled"
    yield from _scaling(step, prepared_row(model, target))


def _scaling(step: Preprocessing, row: tuple[int, ...]) -> Iterator[str]:
    fitting = {1, prod(row) if -1 not in row else 1, row[0] if row else 1}
    for name, values in (("mean", step.mean), ("std", step.std)):
        if len(values) not in fitting:
            yield f"preprocessing.{name}: {len(values)} values, rows are {list(row)}; give {sorted(fitting)} values"
    if any(value == 0 for value in step.std):
        yield "preprocessing.std: holds 0, which would divide by zero; use 1 for constant features"


def _classifier(model: ModelCard) -> Iterator[str]:
    if len(set(model.labels)) != len(model.labels):
        yield "labels: each label may be given once"
    if not model.labels or model.format in FREE_FORMATS:
        return
    for position, output in enumerate(model.outputs):
        where, allowed = f"outputs[{position}]", _DATATYPES.get(output.name, ())
        if output.name not in CLASSIFIER_OUTPUTS:
            yield f"{where}.name: {output.name!r}; a model with labels has {', '.join(CLASSIFIER_OUTPUTS)}"
        elif output.datatype not in allowed:
            yield f"{where}.datatype: {output.name} is {' or '.join(allowed)}, not {output.datatype}"
        elif output.name in {"probabilities", "scores"} and output.shape not in {(-1, -1), (-1, len(model.labels))}:
            yield f"{where}.shape: {list(output.shape)}; {len(model.labels)} labels need [-1, {len(model.labels)}]"
        elif output.name in {"label", "class"} and output.shape != (-1,):
            yield f"{where}.shape: {list(output.shape)}; {output.name} is [-1]"
        elif output.name.startswith("top_") and not _is_top(output.shape, len(model.labels)):
            yield f"{where}.shape: {list(output.shape)}; {output.name} is [-1, k], k from 1 to {len(model.labels)}"


def _is_top(shape: tuple[int, ...], labels: int) -> bool:
    return len(shape) == 2 and 1 <= shape[1] <= labels


def _architecture(model: ModelCard, architecture: Architecture) -> Iterator[str]:
    if len(model.inputs) != 1:
        yield f"inputs: {len(model.inputs)} inputs; the architecture takes exactly one"
    if isinstance(architecture, TokenArchitecture):
        yield from _tokens(model, architecture)
    elif not isinstance(architecture, Installed):
        yield from _rows(model, architecture)
    if isinstance(architecture, Seq2Seq):
        yield from _written(model)
    elif not isinstance(architecture, Installed):
        yield from _scores(model, architecture)


def _rows(model: ModelCard, architecture: Linear | Mlp | Cnn | ConvNet) -> Iterator[str]:
    if model.inputs[0].datatype == "BYTES" and not any(step.image for step in model.preprocessing):
        yield f"inputs[0].datatype: BYTES; say under preprocessing how {model.inputs[0].name!r} becomes numbers (image)"
    row, needed = prepared_row(model, model.inputs[0]), networks.row_shape(architecture)
    if isinstance(architecture, Cnn | ConvNet):
        if row != needed:
            yield f"inputs[0].shape: rows of {list(row)}; architecture.image is {list(needed)}"
        if networks.flattened_features(architecture) == 0:
            blocks = architecture.channels if isinstance(architecture, Cnn) else architecture.blocks
            yield f"architecture: {len(blocks)} blocks cut {list(needed)} down to nothing"
    elif -1 in row or prod(row) != needed[0]:
        yield f"inputs[0].shape: rows of {list(row)}; the architecture takes {needed[0]} features"


def _tokens(model: ModelCard, architecture: TokenArchitecture) -> Iterator[str]:
    spec = model.inputs[0]
    limit = next((step.tokens.max_tokens for step in model.preprocessing if step.tokens is not None), 0)
    if spec.datatype == "BYTES":
        if not limit:
            yield f"inputs[0].datatype: BYTES; say under preprocessing how {spec.name!r} becomes ids (tokens)"
    elif spec.datatype not in {"INT32", "INT64"} or spec.shape != (-1, -1):
        yield f"inputs[0]: {spec.datatype} {list(spec.shape)}; the architecture takes text, or INT64 ids of [-1, -1]"
    if isinstance(architecture, Encoder):
        if architecture.hidden % architecture.heads:
            yield f"architecture.heads: {architecture.heads} heads cannot share {architecture.hidden} features"
        if limit > architecture.positions:
            yield f"preprocessing.tokens.maxTokens: {limit}; the architecture has {architecture.positions} positions"


def _written(model: ModelCard) -> Iterator[str]:
    """Outputs of a network that writes tokens."""
    if model.labels:
        yield "labels: a seq2seq network writes tokens, it chooses no label"
    for position, output in enumerate(model.outputs):
        where, shape = f"outputs[{position}]", _WRITTEN_SHAPES.get(output.name)
        if shape is None:
            yield f"{where}.name: {output.name!r}; a seq2seq network gives {', '.join(_WRITTEN_SHAPES)}"
        elif output.datatype not in _DATATYPES[output.name] or output.shape != shape:
            yield f"{where}: {output.name} is {' or '.join(_DATATYPES[output.name])} of shape {list(shape)}"
        elif output.name == "text" and not model.postprocessing:
            yield f"{where}: text needs a tokenizer; name its file under postprocessing"


def _scores(model: ModelCard, architecture: ScoringArchitecture) -> Iterator[str]:
    scores = networks.out_features(architecture)
    if model.labels and len(model.labels) != scores:
        yield f"labels: {len(model.labels)} labels; the architecture gives {scores} scores"
    if not model.labels and model.outputs[0].shape not in {(-1, scores), (-1,) if scores == 1 else (-1, scores)}:
        yield f"outputs[0].shape: {list(model.outputs[0].shape)}; the architecture gives [-1, {scores}]"
