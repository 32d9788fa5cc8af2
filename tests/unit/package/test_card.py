"""`model.yaml`: what is accepted, and what the errors say."""

import json
from typing import Any

import pytest

from modelyard_server.errors import PackageError
from modelyard_server.package import networks, parse
from modelyard_server.package.architectures import Cnn, Linear, Mlp
from modelyard_server.package.card import ModelCard

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


TEXT = {"name": "text", "datatype": "BYTES", "shape": [-1]}
ENCODER = {"type": "encoder", "vocabulary": 9, "hidden": 8, "layers": 1, "heads": 2, "intermediate": 8}
TOKENS = {"input": "text", "tokens": {}}
EMBEDDING: dict[str, Any] = {
    "name": "embedding",
    "version": "1",
    "format": "torch",
    "inputs": [TEXT],
    "outputs": [{"name": "embedding", "datatype": "FP32", "shape": [-1, 8]}],
    "architecture": ENCODER,
    "preprocessing": [TOKENS],
}
SEQ2SEQ: dict[str, Any] = {
    **EMBEDDING,
    "outputs": [
        {"name": "text", "datatype": "BYTES", "shape": [-1]},
        {"name": "tokens", "datatype": "INT64", "shape": [-1, -1]},
        {"name": "score", "datatype": "FP32", "shape": [-1]},
    ],
    "architecture": {"type": "seq2seq", "vocabulary": 9, "targetVocabulary": 9, "embedding": 4, "hidden": 4,
                     "start": 1, "end": 2, "maxTokens": 5},
    "postprocessing": [{"output": "text", "tokens": {}}],
}  # fmt: skip
PICTURE: dict[str, Any] = {
    **CLASSIFIER,
    "inputs": [{**TENSOR, "datatype": "BYTES", "shape": [-1]}],
    "preprocessing": [{"input": "image", "image": {"size": [8, 8], "channels": 1}, "mean": [9.0]}],
}
NET = {"type": "convnet", "image": [1, 8, 8], "blocks": [{"type": "pool"}, {"type": "residual", "channels": 2}],
       "outFeatures": 2}  # fmt: skip
RECURRENT = {"type": "recurrent", "cell": "gru", "vocabulary": 9, "embedding": 4, "hidden": 4, "outFeatures": 8}


@pytest.mark.parametrize(
    "fields",
    [
        EMBEDDING,
        SEQ2SEQ,
        PICTURE,
        {**PICTURE, "architecture": NET},
        {**EMBEDDING, "architecture": RECURRENT},
        {**EMBEDDING, "inputs": [{**TEXT, "datatype": "INT64", "shape": [-1, -1]}], "preprocessing": []},
        {**EMBEDDING, "architecture": {"type": "installed", "name": "mine", "arguments": {"sizes": [1, 2], "x": 0.5}}},
        {**CLASSIFIER, "format": "python", "architecture": None, "outputs": [{**LABEL, "name": "anything"}]},
        {**CLASSIFIER, "outputs": [{**PROBABILITIES, "name": "top_probabilities", "shape": [-1, 1]}]},
    ],
    ids=["embedding", "seq2seq", "picture", "convnet", "recurrent", "ids", "installed", "python", "top"],
)
def test_what_fits_together_is_read_and_written_again(fields: dict[str, Any]) -> None:
    model = parse.card(json.dumps(fields).encode())
    assert parse.card(parse.encode(model)) == model


@pytest.mark.parametrize(
    ("fields", "changes", "message"),
    [
        (EMBEDDING, {"preprocessing": [TOKENS, TOKENS]}, "'text' is given twice; one entry holds all steps"),
        (EMBEDDING, {"preprocessing": [{**TOKENS, "image": {"size": [2, 2]}}]}, "'text' is a picture or a text"),
        (EMBEDDING, {"preprocessing": [{**TOKENS, "scale": 2.0}]}, "'text' becomes token ids; only numbers"),
        (EMBEDDING, {"preprocessing": [{**TOKENS, "tokens": {"file": "a/b"}}]}, "preprocessing[0].tokens.file"),
        (EMBEDDING, {"preprocessing": [{**TOKENS, "tokens": {"maxTokns": 1}}]}, "did you mean `maxTokens`?"),
        (EMBEDDING, {"preprocessing": [{**TOKENS, "tokens": {"maxTokens": 513}}]}, "has 512 positions"),
        (EMBEDDING, {"preprocessing": []}, "inputs[0].datatype: BYTES; say under preprocessing how 'text' becomes ids"),
        (EMBEDDING, {"inputs": [{**TEXT, "shape": [-1, 1]}]}, "preprocessing.tokens: 'text' must be BYTES of shape"),
        (EMBEDDING, {"inputs": [{**TENSOR, "name": "text"}], "preprocessing": []}, "the architecture takes text, or"),
        (EMBEDDING, {"architecture": {**ENCODER, "heads": 3}}, "architecture.heads: 3 heads cannot share 8"),
        (EMBEDDING, {"architecture": {**ENCODER, "outFeatures": 3}}, "the architecture gives [-1, 3]"),
        (EMBEDDING, {"postprocessing": [{"output": "text", "tokens": {}}]}, "postprocessing.output: 'text' is not an"),
        (
            EMBEDDING,
            {"postprocessing": [{"output": "embedding", "tokens": {}}]},
            "'embedding' is no text that a seq2seq network writes",
        ),
        (SEQ2SEQ, {"postprocessing": []}, "outputs[0]: text needs a tokenizer"),
        (SEQ2SEQ, {"labels": ["a"], "outputs": [LABEL], "postprocessing": []}, "labels: a seq2seq network writes"),
        (SEQ2SEQ, {"outputs": [LABEL], "postprocessing": []}, "'label'; a seq2seq network gives text, tokens, score"),
        (SEQ2SEQ, {"outputs": [{"name": "score", "datatype": "BYTES", "shape": [-1]}], "postprocessing": []},
         "outputs[0]: score is FP32 or FP64 of shape [-1]"),
        (PICTURE, {"preprocessing": []}, "say under preprocessing how 'image' becomes numbers (image)"),
        (PICTURE, {"preprocessing": [{"input": "image", "image": {"size": [8, 9]}}]}, "rows of [3, 8, 9]"),
        (PICTURE, {"inputs": [TENSOR]}, "preprocessing.image: 'image' must be BYTES of shape [-1]"),
        (PICTURE, {"architecture": {**NET, "blocks": [{"type": "pool"}] * 5}}, "5 blocks cut [1, 8, 8] down to"),
        (PICTURE, {"architecture": {**NET, "blocks": [{"type": "loop"}]}}, "architecture.blocks[0].type"),
        (PICTURE, {"outputs": [{**LABEL, "name": "top_labels"}]}, "top_labels is [-1, k], k from 1 to 2"),
        (PICTURE, {"outputs": [{**LABEL, "name": "top_labels", "shape": [-1, 3]}]}, "top_labels is [-1, k]"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_told(fields: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PackageError) as error:
        parse.card(json.dumps({**fields, **changes}).encode())
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
