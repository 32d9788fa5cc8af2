"""The real engines on small packages: what they compute, and what they refuse."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import skops.io  # type: ignore[import-untyped]
import torch
from safetensors.torch import save_file
from sklearn.ensemble import RandomForestClassifier  # type: ignore[import-untyped]
from sklearn.linear_model import LinearRegression, LogisticRegression  # type: ignore[import-untyped]
from sklearn.preprocessing import FunctionTransformer  # type: ignore[import-untyped]

from modelyard_server.engines import registry, torch_networks
from modelyard_server.engines.model import LoadOptions, Model
from modelyard_server.errors import StartupError
from modelyard_server.package import files, parse
from modelyard_server.package.architectures import Architecture, Cnn, Linear, Mlp
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.package.steps import Preprocessing

LABELS = ("no", "yes")
PROBABILITIES = TensorSpec(name="probabilities", datatype="FP32", shape=(-1, 2))
LABEL = TensorSpec(name="label", datatype="BYTES", shape=(-1,))
CLASS = TensorSpec(name="class", datatype="INT64", shape=(-1,))
SCORES = TensorSpec(name="scores", datatype="FP64", shape=(-1, 2))


def classifier(package_format: str, *row: int, architecture: Architecture | None = None, **fields: object) -> ModelCard:
    return ModelCard(
        name="m", version="1", format=package_format, labels=LABELS, architecture=architecture,
        inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, *row)),),
        outputs=(LABEL, CLASS, PROBABILITIES, SCORES),
        **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def load(root: Path, card: ModelCard, options: LoadOptions = LoadOptions(device="cpu", threads=1)) -> Model:  # noqa: B008
    (root / "model.yaml").write_bytes(parse.encode(card))
    return registry.load(files.read(root), options)


def save(root: Path, architecture: Architecture) -> torch.nn.Module:
    torch.manual_seed(0)
    network = torch_networks.build(architecture)
    save_file(dict(network.state_dict()), root / "model.safetensors")
    return network


def answer(model: Model, rows: object) -> Mapping[str, list[object]]:
    outputs = model.predict({"x": np.asarray(rows, np.float32)})
    return {name: array.tolist() for name, array in outputs.items()}


@pytest.mark.parametrize(
    ("architecture", "row"),
    [
        (Linear(in_features=4, out_features=2), (4,)),
        (Mlp(layers=(4, 3, 2), activation="tanh"), (2, 2)),
        (Cnn(image=(1, 4, 4), channels=(2, 3), hidden=(5,), out_features=2, activation="gelu"), (1, 4, 4)),
    ],
    ids=["linear", "mlp", "cnn"],
)
def test_torch_computes_what_the_network_computes(
    tmp_path: Path, architecture: Architecture, row: tuple[int, ...]
) -> None:
    network = save(tmp_path, architecture)
    model = load(tmp_path, classifier("torch", *row, architecture=architecture))
    rows = np.random.default_rng(0).normal(size=(5, *row)).astype(np.float32)
    outputs = model.predict({"x": rows})
    with torch.inference_mode():
        scores = network(torch.from_numpy(rows))
    np.testing.assert_allclose(outputs["probabilities"], scores.softmax(1).numpy(), rtol=1e-5)
    assert outputs["class"].tolist() == scores.argmax(1).tolist()
    assert [LABELS[number].encode() for number in outputs["class"]] == outputs["label"].tolist()
    assert outputs["scores"].dtype == np.float64
    assert model.device_memory() == {}


def test_memory_is_that_of_weights_and_buffers(tmp_path: Path) -> None:
    save(tmp_path, Mlp(layers=(4, 3, 2)))
    model = load(tmp_path, classifier("torch", 4, architecture=Mlp(layers=(4, 3, 2))))
    assert model.parameter_bytes == 4 * (4 * 3 + 3 + 3 * 2 + 2)


def test_memory_of_an_estimator_is_that_of_its_arrays(tmp_path: Path) -> None:
    card = ModelCard(
        name="m", version="1", format="sklearn", inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 1000)),),
        outputs=(TensorSpec(name="y", datatype="FP32", shape=(-1,)),),
    )  # fmt: skip
    estimator = LinearRegression().fit(np.random.default_rng(0).normal(size=(9, 1000)), np.arange(9))
    skops.io.dump(estimator, tmp_path / "model.skops")
    assert 8 * 1000 <= load(tmp_path, card).parameter_bytes < 8 * 1000 + 1000


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Preprocessing(input="x", scale=0.5), [[0.5, 1, 1.5, 2]]),
        (Preprocessing(input="x", mean=(1, 2, 3, 4), std=(1, 1, 2, 2)), [[0, 0, 0, 0]]),
        (Preprocessing(input="x", scale=2, mean=(2.0,), std=(2.0,)), [[0, 1, 2, 3]]),
    ],
)
def test_declared_preprocessing_is_done_by_the_server(tmp_path: Path, step: Preprocessing, expected: object) -> None:
    card = ModelCard(
        name="m", version="1", format="torch", architecture=Linear(in_features=4, out_features=4),
        preprocessing=(step,),
        inputs=(TensorSpec(name="x", datatype="INT32", shape=(-1, 4)),),
        outputs=(TensorSpec(name="y", datatype="FP32", shape=(-1, 4)),),
    )  # fmt: skip
    save_file({"out.weight": torch.eye(4), "out.bias": torch.zeros(4)}, tmp_path / "model.safetensors")
    rows = np.array([[1, 2, 3, 4]], np.int32)
    assert load(tmp_path, card).predict({"x": rows})["y"].tolist() == expected
    assert rows.tolist() == [[1, 2, 3, 4]]


def test_means_per_channel_spread_over_the_image(tmp_path: Path) -> None:
    card = ModelCard(
        name="m", version="1", format="torch", architecture=Linear(in_features=4, out_features=4),
        preprocessing=(Preprocessing(input="x", mean=(1.0, 3.0)),),
        inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 2, 1, 2)),),
        outputs=(TensorSpec(name="y", datatype="FP32", shape=(-1, 4)),),
    )  # fmt: skip
    save_file({"out.weight": torch.eye(4), "out.bias": torch.zeros(4)}, tmp_path / "model.safetensors")
    assert answer(load(tmp_path, card), [[[[1, 2]], [[3, 4]]]])["y"] == [[0, 1, 0, 1]]


MLP = Mlp(layers=(4, 3, 2))


def refused(root: Path, card: ModelCard, options: LoadOptions | None = None) -> StartupError:
    with pytest.raises(StartupError) as error:
        load(root, card, options or LoadOptions(device="cpu", threads=1))
    return error.value


def test_weights_that_do_not_fit_are_listed(tmp_path: Path) -> None:
    save_file(
        {"fc1.weight": torch.zeros(3, 5), "fc1.bias": torch.zeros(3), "extra": torch.zeros(1)},
        tmp_path / "model.safetensors",
    )
    message = str(refused(tmp_path, classifier("torch", 4, architecture=MLP)))
    assert "out.weight [2, 3] is missing" in message
    assert "extra [1] is not part of it" in message
    assert "fc1.weight is [3, 5], not [3, 4]" in message


def test_torch_refusals_name_the_file(tmp_path: Path) -> None:
    assert "architecture: is required" in str(refused(tmp_path, classifier("torch", 4)))
    card = classifier("torch", 4, architecture=MLP)
    assert "model.safetensors: no such file" in str(refused(tmp_path, card))
    (tmp_path / "model.safetensors").write_bytes(b"x" * 100)
    assert "not readable as safetensors" in str(refused(tmp_path, card))


def test_torch_checkpoints_need_allow(tmp_path: Path) -> None:
    network = save(tmp_path, MLP)
    torch.save(network.state_dict(), tmp_path / "model.pt")
    card = classifier("torch", 4, architecture=MLP, weights="model.pt")
    assert refused(tmp_path, card).reason == "UnsafeFormat"
    assert load(tmp_path, card, LoadOptions(device="cpu", threads=1, unsafe_formats="Allow")).device == "cpu"


def test_a_missing_gpu_is_said(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        return
    save(tmp_path, MLP)
    message = str(refused(tmp_path, classifier("torch", 4, architecture=MLP), LoadOptions(device="cuda")))
    assert "no GPU is usable" in message


@pytest.mark.parametrize("estimator", [LogisticRegression(), RandomForestClassifier(3, random_state=0)])
def test_sklearn_computes_what_the_estimator_computes(tmp_path: Path, estimator: object) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    fitted = estimator.fit(rows, rows[:, 0] > 0)  # type: ignore[attr-defined]
    skops.io.dump(fitted, tmp_path / "model.skops")
    outputs = load(tmp_path, classifier("sklearn", 3)).predict({"x": rows})
    np.testing.assert_allclose(outputs["probabilities"], fitted.predict_proba(rows), rtol=1e-6)
    assert [label == b"yes" for label in outputs["label"]] == fitted.predict(rows).tolist()


def test_sklearn_regression_and_scaling(tmp_path: Path) -> None:
    skops.io.dump(LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]), tmp_path / "model.skops")
    card = ModelCard(
        name="m", version="1", format="sklearn", preprocessing=(Preprocessing(input="x", scale=10.0),),
        inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 1)),),
        outputs=(TensorSpec(name="y", datatype="FP32", shape=(-1,)),),
    )  # fmt: skip
    model = load(tmp_path, card)
    assert answer(model, [[1.0]])["y"] == pytest.approx([20.0])
    assert model.device_memory() == {}


def test_sklearn_refuses_foreign_types_and_other_files(tmp_path: Path) -> None:
    rows = np.zeros((4, 3), np.float32)
    skops.io.dump(FunctionTransformer(Path).fit(rows), tmp_path / "model.skops")
    error = refused(tmp_path, classifier("sklearn", 3))
    assert (error.reason, "types outside of scikit-learn" in str(error)) == ("UnsafeFormat", True)
    (tmp_path / "model.pkl").write_bytes(b"")
    assert refused(tmp_path, classifier("sklearn", 3, weights="model.pkl")).reason == "UnsafeFormat"
    (tmp_path / "model.skops").write_bytes(b"x")
    assert "not readable by skops" in str(refused(tmp_path, classifier("sklearn", 3)))
    (tmp_path / "model.skops").unlink()
    assert "no such file" in str(refused(tmp_path, classifier("sklearn", 3)))


def test_sklearn_cards_are_checked(tmp_path: Path) -> None:
    assert "one input of shape" in str(refused(tmp_path, classifier("sklearn", 3, 1)))
    skops.io.dump(LinearRegression().fit([[0.0]], [0.0]), tmp_path / "model.skops")
    assert "no predict_proba" in str(refused(tmp_path, classifier("sklearn", 1)))


def test_unknown_formats_and_wrong_outputs_are_refused(tmp_path: Path) -> None:
    assert "format: 'keras' is not served here" in str(refused(tmp_path, classifier("keras", 3)))
    skops.io.dump(LogisticRegression().fit(np.eye(3), [0, 1, 2]), tmp_path / "model.skops")
    assert "outputs: probabilities is [-1, 2], the model gives" in str(refused(tmp_path, classifier("sklearn", 3)))
    assert "warm-up with 1 rows of zeros failed" in str(refused(tmp_path, classifier("sklearn", 4)))


def test_a_model_without_labels_has_one_output(tmp_path: Path) -> None:
    save(tmp_path, MLP)
    card = classifier("torch", 4, architecture=MLP)
    two = ModelCard(
        name="m", version="1", format="torch", architecture=MLP, inputs=card.inputs, outputs=(SCORES, PROBABILITIES)
    )
    assert "exactly one" in str(refused(tmp_path, two))


def test_a_single_value_per_row_is_a_plain_list(tmp_path: Path) -> None:
    card = ModelCard(
        name="m", version="1", format="torch", architecture=Linear(in_features=2, out_features=1),
        inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 2)),),
        outputs=(TensorSpec(name="y", datatype="FP32", shape=(-1,)),),
    )  # fmt: skip
    save_file({"out.weight": torch.ones(1, 2), "out.bias": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert answer(load(tmp_path, card), [[1, 2], [3, 4]])["y"] == [3, 7]
