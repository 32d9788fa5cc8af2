"""`model.yaml`: what is accepted, and what the errors say."""

import json
from typing import Any

import pytest

from modelyard_server.errors import PackageError
from modelyard_server.package import networks, parse
from modelyard_server.package.card import Cnn, Linear, Mlp, ModelCard

CLASSIFIER: dict[str, Any] = {
    "name": "digits",
    "version": "1",
    "format": "torch",
    "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}],
    "outputs": [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]},
    ],
    "labels": ["no", "yes"],
    "architecture": {"type": "cnn", "image": [1, 8, 8], "channels": [4, 8], "outFeatures": 2},
    "preprocessing": [{"input": "image", "scale": 0.0625}],
}
REGRESSION: dict[str, Any] = {
    "name": "house",
    "version": "2026.1",
    "format": "torch",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
    "outputs": [{"name": "price", "datatype": "FP32", "shape": [-1]}],
    "architecture": {"type": "linear", "inFeatures": 3, "outFeatures": 1},
}


def card(**changes: object) -> ModelCard:
    return parse.card(json.dumps({**CLASSIFIER, **changes}).encode())


def test_a_classifier_card_is_read() -> None:
    model = card()
    assert isinstance(model.architecture, Cnn)
    assert model.labels == ("no", "yes")
    assert model.inputs[0].shape == (-1, 1, 8, 8)


@pytest.mark.parametrize("fields", [CLASSIFIER, REGRESSION], ids=["classifier", "regression"])
def test_encode_and_parse_are_inverse(fields: dict[str, object]) -> None:
    model = parse.card(json.dumps(fields).encode())
    assert parse.card(parse.encode(model)) == model


def test_encode_leaves_defaults_out() -> None:
    assert b"training_run" not in parse.encode(card())
    assert b"metrics" not in parse.encode(card())


TENSOR = CLASSIFIER["inputs"][0]
LABEL, PROBABILITIES = CLASSIFIER["outputs"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 1}, "version: expected `str`, got `int`; write the value in quotes"),
        ({"lables": []}, "unknown field `lables`; did you mean `labels`?"),
        ({"zzz": 1}, "unknown field `zzz`"),
        ({"name": "-x"}, "name: expected `str` matching"),
        ({"inputs": []}, "inputs: expected `array` of length >= 1"),
        ({"inputs": [{**TENSOR, "datatype": "FP33"}]}, "inputs[0].datatype: invalid enum value 'FP33'"),
        ({"inputs": [{**TENSOR, "shape": ["a"]}]}, "inputs[0].shape[0]: expected `int`"),
        ({"inputs": [{**TENSOR, "shape": [1, 64]}]}, "inputs[0].shape: [1, 64] must begin with -1"),
        ({"inputs": [{**TENSOR, "shape": [-1, 0]}]}, "inputs[0].shape: [-1, 0] may hold only -1 and sizes"),
        ({"inputs": [TENSOR, TENSOR]}, "inputs[1].name: 'image' is given twice"),
        ({"inputs": [TENSOR, {**TENSOR, "name": "b"}]}, "the architecture takes exactly one"),
        ({"inputs": [{**TENSOR, "shape": [-1, 64]}]}, "rows of [64]; architecture.image is [1, 8, 8]"),
        ({"weights": "../x.safetensors"}, "weights: '../x.safetensors' must be a file"),
        ({"labels": ["a", "a"]}, "labels: each label may be given once"),
        ({"labels": ["a", "b", "c"], "outputs": [LABEL]}, "3 labels; the architecture gives 2 scores"),
        ({"outputs": [{**LABEL, "name": "digit"}]}, "outputs[0].name: 'digit'; a model with labels has"),
        ({"outputs": [{**LABEL, "datatype": "INT64"}]}, "outputs[0].datatype: label is BYTES, not INT64"),
        ({"outputs": [{**LABEL, "shape": [-1, 1]}]}, "outputs[0].shape: [-1, 1]; label is [-1]"),
        ({"outputs": [{**PROBABILITIES, "shape": [-1, 5]}]}, "outputs[0].shape: [-1, 5]; 2 labels need [-1, 2]"),
        ({"preprocessing": [{"input": "img"}]}, "preprocessing.input: 'img' is not an input"),
        ({"preprocessing": [{"input": "image", "mean": [1.0, 2.0]}]}, "preprocessing.mean: 2 values"),
        ({"preprocessing": [{"input": "image", "std": [0.0]}]}, "preprocessing.std: holds 0"),
        ({"architecture": {"type": "resnet"}}, "architecture.type: invalid value 'resnet'"),
        ({"architecture": {**CLASSIFIER["architecture"], "channels": [1, 1, 1, 1]}}, "down to nothing"),
        ({"architecture": {"type": "mlp", "layers": [60, 2]}}, "the architecture takes 60 features"),
    ],
)
def test_a_wrong_card_names_the_field(changes: dict[str, object], message: str) -> None:
    with pytest.raises(PackageError) as error:
        card(**changes)
    assert str(error.value).startswith("model.yaml: ")
    assert message in str(error.value)


def test_bytes_cannot_be_scaled() -> None:
    fields = {**REGRESSION, "inputs": [{"name": "x", "datatype": "BYTES", "shape": [-1, 3]}]}
    with pytest.raises(PackageError, match="only numbers can be scaled"):
        parse.card(json.dumps({**fields, "preprocessing": [{"input": "x"}]}).encode())


def test_a_regressions_output_fits_the_architecture() -> None:
    fields = {**REGRESSION, "outputs": [{"name": "price", "datatype": "FP32", "shape": [-1, 2]}]}
    with pytest.raises(PackageError, match=r"the architecture gives \[-1, 1\]"):
        parse.card(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"name: [", "not readable as YAML"),
        (b"\xff\xfe\x00", "not readable as YAML"),
        (b"- a", "expected `object`, got `array`"),
        (b"name: a\nname: b", "line 2: 'name' is given twice"),
        (b"a: &x [1]\nb: *x", "line 2: YAML aliases are not allowed"),
        (b"x" * (parse.MAX_BYTES + 1), "bytes, allowed are"),
        (b"!!python/object:os.system {}", "not readable as YAML"),
    ],
)
def test_text_that_is_no_card_is_refused(document: bytes, message: str) -> None:
    with pytest.raises(PackageError) as error:
        parse.card(document)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("architecture", "row", "scores"),
    [
        (Linear(in_features=3, out_features=1), (3,), 1),
        (Mlp(layers=(4, 8, 2)), (4,), 2),
        (Cnn(image=(1, 8, 8), channels=(4,), out_features=5), (1, 8, 8), 5),
    ],
)
def test_sizes_of_architectures(architecture: Linear | Mlp | Cnn, row: tuple[int, ...], scores: int) -> None:
    assert (networks.row_shape(architecture), networks.out_features(architecture)) == (row, scores)


def test_each_block_halves_the_image() -> None:
    assert networks.flattened_features(Cnn(image=(3, 9, 8), channels=(4, 6), out_features=1)) == 6 * 2 * 2
