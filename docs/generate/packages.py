"""The page of the model package, from the structs that read its card."""

import inspect
from collections.abc import Iterable
from typing import Any

import msgspec

from modelyard_server.package import architectures, card, steps

from .markdown import bounds, code, document, table
from .settings import docstrings

INTRO = (
    "A package is a directory: the card `model.yaml`, weights, a manifest with the hash of every file, and statistics "
    "of the training data where there are any. [Publish a model](../how-to/publish-a-model.md) shows how one is made. "
    "Unknown fields are errors, and so is what does not fit together; the message names the field."
)
FORMATS = (
    ("torch", "`model.safetensors`", "a network that `architecture` declares, or one that is installed in the image"),
    ("sklearn", "`model.skops`", "an estimator or a pipeline of scikit-learn, saved by skops"),
    ("onnx", "`model.onnx`", "a model for ONNX Runtime; external data beside it, no custom operators"),
    ("python", "none", "files for a class of one's own, installed in the image and named by `entryPoint`"),
    ("torchscript", "`model.pt`", "a program; only with `unsafeFormats: Allow` and a pinned digest"),
    ("torch-export", "`model.pt2`", "a program; only with `unsafeFormats: Allow` and a pinned digest"),
)
SECTIONS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("model.yaml", (card.ModelCard, card.TensorSpec, card.Origin)),
    (
        "Pre- and post-processing",
        (steps.Preprocessing, steps.ImageDecoding, steps.Tokenising, steps.Postprocessing, steps.Detokenising),
    ),
    (
        "Architectures",
        (
            architectures.Linear,
            architectures.Mlp,
            architectures.Cnn,
            architectures.ConvNet,
            architectures.Convolution,
            architectures.Pool,
            architectures.Residual,
            architectures.Recurrent,
            architectures.Encoder,
            architectures.Seq2Seq,
            architectures.Installed,
        ),
    ),
)
OUTPUTS = (
    ("`label`, `class`", "`[-1]`", "name and number of the best class"),
    ("`probabilities`, `scores`", "`[-1, labels]`", "softmax of the scores, and the scores themselves"),
    ("`top_labels`, `top_classes`, `top_probabilities`", "`[-1, k]`", "the k best classes, best first"),
)


def page() -> str:
    """Formats, the card, its parts."""
    parts = [
        INTRO,
        "## Formats\n\n" + table(("format", "usual file", "holds"), ((code(a), b, c) for a, b, c in FORMATS)),
        "## Outputs of a classifier\n\nWith `labels`, outputs are any of these, by name:\n\n"
        + table(("output", "shape", "holds"), OUTPUTS),
    ]
    for title, structs in SECTIONS:
        parts.append(f"## {title}")
        parts += [_struct(struct) for struct in structs]
    return document("Model package", *parts)


def _struct(struct: Any) -> str:
    info: Any = msgspec.inspect.type_info(struct)
    meanings = docstrings(struct)
    title = code(f"type: {info.tag}") if info.tag else struct.__name__
    rows = [
        (code(field.encode_name), _type(field.type), _default(field), meanings.get(field.name, ""))
        for field in info.fields
    ]
    text = inspect.cleandoc(struct.__doc__ or "")
    return f"### {title}\n\n{text}\n\n" + table(("field", "type", "default", "meaning"), rows)


def _default(field: Any) -> str:
    if field.required:
        return "required"
    value = msgspec.to_builtins(field.default) if field.default is not msgspec.NODEFAULT else {}
    if value is None or value in ("", [], {}, ()):
        return ""
    return code(str(value).lower() if isinstance(value, bool) else _listed(value))


def _listed(value: object) -> object:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list | tuple) else value


def _type(kind: Any) -> str:  # noqa: PLR0911 (one line for each kind)
    """Type with its bounds, in a few words."""
    match kind:
        case msgspec.inspect.Metadata():
            return _type(kind.type)
        case msgspec.inspect.LiteralType():
            return ", ".join(code(value) for value in sorted(kind.values, key=str))
        case msgspec.inspect.VarTupleType():
            return f"list of {_type(kind.item_type)}" + bounds(_ends(kind), "min_length", "max_length", "items")
        case msgspec.inspect.TupleType():
            return f"{len(kind.item_types)} of {_type(kind.item_types[0])}"
        case msgspec.inspect.DictType():
            return f"map to {_type(kind.value_type)}"
        case msgspec.inspect.UnionType():
            return _union(one for one in kind.types if not isinstance(one, msgspec.inspect.NoneType))
        case msgspec.inspect.StructType():
            return code(kind.tag) if kind.tag else kind.cls.__name__
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            word = "integer" if isinstance(kind, msgspec.inspect.IntType) else "number"
            return word + bounds(_ends(kind), "ge", "le")
        case msgspec.inspect.BoolType():
            return "boolean"
    return "text"


def _union(kinds: Iterable[Any]) -> str:
    return ", ".join(dict.fromkeys(map(_type, kinds)))


def _ends(kind: Any) -> dict[str, Any]:
    return {name: getattr(kind, name) for name in ("ge", "le", "min_length", "max_length") if hasattr(kind, name)}
