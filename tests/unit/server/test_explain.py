"""Explanations: what they add up to, what they refuse, and that predictions go first."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io  # type: ignore[import-untyped]
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LinearRegression, LogisticRegression  # type: ignore[import-untyped]

from modelyard_server.errors import BadRequestError
from modelyard_server.explain import gradients, perturbation, wishes
from modelyard_server.explain.wishes import Wish
from modelyard_server.models import repository
from modelyard_server.package import files, parse
from modelyard_server.package.architectures import Mlp
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.package.steps import Preprocessing
from modelyard_server.protocol.datatypes import Array
from modelyard_server.protocol.signature import Signature
from modelyard_server.settings import Settings
from unit.server import echo_engine, live
from unit.server.live import LiveServer

FEATURES = 4
ROWS = np.array([[1.0, -2.0, 0.5, 3.0], [0.25, 1.0, 2.0, -1.0]], np.float32)
X = TensorSpec(name="x", datatype="FP32", shape=(-1, FEATURES))


def spec(name: str, *shape: int, datatype: str = "FP32") -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=(-1, *shape))  # type: ignore[arg-type]


def network(root: Path) -> None:
    """A classifier of three labels with a hidden layer, and inputs that are scaled."""
    torch.manual_seed(1)
    layers = {"fc1": torch.nn.Linear(FEATURES, 8), "out": torch.nn.Linear(8, 3)}
    weights = {f"{name}.{key}": value for name, layer in layers.items() for key, value in layer.state_dict().items()}
    card = ModelCard(
        name="network", version="1", format="torch", inputs=(X,), labels=("a", "b", "c"),
        outputs=(spec("label", datatype="BYTES"), spec("probabilities", 3), spec("scores", 3)),
        architecture=Mlp(layers=(FEATURES, 8, 3)),
        preprocessing=(Preprocessing(input="x", scale=2.0, mean=(0.5,), std=(2.0,)),),
    )  # fmt: skip
    root.mkdir(parents=True)
    save_file(weights, root / "model.safetensors")
    seal(root, card)


def estimator(root: Path, fitted: Any, card: ModelCard) -> None:
    root.mkdir(parents=True)
    skops.io.dump(fitted, root / "model.skops")
    seal(root, card)


def seal(root: Path, card: ModelCard) -> None:
    (root / parse.FILE).write_bytes(parse.encode(card))
    files.seal(root)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    root = tmp_path_factory.mktemp("explained")
    network(root / "network")
    random = np.random.default_rng(0)
    examples = random.normal(size=(60, FEATURES))
    line = LinearRegression().fit(examples, examples @ [1.0, 2.0, 0.0, -3.0] + 5)
    outputs = (spec("y"),)
    estimator(root / "line", line, ModelCard(name="line", version="1", format="sklearn", inputs=(X,), outputs=outputs))
    classes = LogisticRegression().fit(examples, (examples[:, 0] > 0).astype(int))
    labelled = {"labels": ("no", "yes"), "outputs": (spec("probabilities", 2),), "inputs": (X,)}
    estimator(root / "classes", classes, ModelCard(name="classes", version="1", format="sklearn", **labelled))  # type: ignore[arg-type]
    only = {"labels": ("no", "yes"), "outputs": (spec("label", datatype="BYTES"),), "inputs": (X,)}
    estimator(root / "labels", classes, ModelCard(name="labels", version="1", format="sklearn", **only))  # type: ignore[arg-type]
    running = LiveServer(Settings(model=Path("/nowhere"), repository=root))
    yield running
    running.stop()


def explain(server: LiveServer, model: str, rows: Array = ROWS, **parameters: Any) -> live.Reply:
    body = {"instances": rows.tolist(), "parameters": parameters}
    return server.request("POST", f"/v1/models/{model}:explain", body)


def scores(server: LiveServer, rows: Array) -> Array:
    tensor = {"name": "x", "shape": list(rows.shape), "datatype": "FP32", "data": rows.ravel().tolist()}
    wish = {"inputs": [tensor], "outputs": [{"name": "scores"}]}
    found = server.request("POST", "/v2/models/network/infer", wish).json["outputs"][0]
    return np.array(found["data"]).reshape(found["shape"])


@pytest.mark.parametrize("method", ["occlusion", "shapley"])
def test_a_linear_model_is_explained_by_its_weights(server: LiveServer, method: str) -> None:
    reply = explain(server, "line", method=method)
    assert reply.status == 200, reply.json
    for row, entry in zip(ROWS, reply.json["explanations"], strict=True):
        np.testing.assert_allclose(entry["attributions"], row * [1.0, 2.0, 0.0, -3.0], atol=1e-4)
        assert abs(entry["convergence_delta"]) < 1e-3
    assert (
        reply.json["predictions"]
        == server.request("POST", "/v1/models/line:predict", {"instances": ROWS.tolist()}).json["predictions"]
    )


def test_a_linear_network_is_explained_by_its_gradients(server: LiveServer) -> None:
    reply = explain(server, "network", method="integrated_gradients", steps=200)
    assert reply.status == 200, reply.json
    ends = scores(server, np.concatenate([ROWS, np.zeros((1, FEATURES), np.float32)]))
    for at, entry in enumerate(reply.json["explanations"]):
        assert entry["target"] == ends[at].argmax()
        change = ends[at, entry["target"]] - ends[-1, entry["target"]]
        assert sum(entry["attributions"]) == pytest.approx(change, abs=0.05)
        assert entry["convergence_delta"] == pytest.approx(sum(entry["attributions"]) - change, abs=1e-4)


@pytest.mark.parametrize("method", ["integrated_gradients", "shapley"])
def test_attributions_add_up_to_the_change_of_a_chosen_score(server: LiveServer, method: str) -> None:
    entries = explain(server, "network", method=method, target=2, baseline=0.5, steps=300).json["explanations"]
    ends = scores(server, np.concatenate([ROWS, np.full((1, FEATURES), 0.5, np.float32)]))[:, 2]
    sums = [sum(entry["attributions"]) for entry in entries]
    np.testing.assert_allclose(sums, ends[:-1] - ends[-1], atol=0.05)
    assert {(entry["output"], entry["target"]) for entry in entries} == {("scores", 2)}


@pytest.mark.parametrize("model", ["line", "network"])
def test_each_feature_may_have_a_baseline_of_its_own(server: LiveServer, model: str) -> None:
    entries = explain(server, model, ROWS[:1], baseline=ROWS[0].tolist()).json["explanations"]
    np.testing.assert_allclose(entries[0]["attributions"], np.zeros(FEATURES), atol=1e-6)


def test_the_same_seed_gives_the_same_samples(server: LiveServer) -> None:
    replies = [explain(server, "classes", samples=4, seed=seed).json["explanations"] for seed in (1, 1)]
    assert replies[0] == replies[1]
    assert replies[0][0]["method"] == "shapley"
    assert replies[0][0]["output"] == "probabilities"


def test_a_network_is_explained_by_gradients_when_nothing_is_said(server: LiveServer) -> None:
    reply = server.request("POST", "/v1/models/network:explain", {"instances": ROWS.tolist()})
    assert {entry["method"] for entry in reply.json["explanations"]} == {"integrated_gradients"}


def infer(server: LiveServer, **parameters: Any) -> live.Reply:
    tensor = {"name": "x", "shape": [2, FEATURES], "datatype": "FP32", "data": ROWS.ravel().tolist()}
    return server.request("POST", "/v2/models/network/infer", {"id": "7", "inputs": [tensor], "parameters": parameters})


def test_v2_answers_the_prediction_and_three_outputs_more(server: LiveServer) -> None:
    reply = infer(server, explain="occlusion", explain_target=1)
    assert reply.status == 200, reply.json
    found = {output["name"]: output for output in reply.json["outputs"]}
    plain = {output["name"]: output for output in infer(server).json["outputs"]}
    assert {name: found[name] for name in plain} == plain
    assert reply.json["id"] == "7"
    assert found["explain_attributions"]["shape"] == [2, FEATURES]
    assert found["explain_target"]["data"] == [1, 1]
    assert found["explain_delta"]["shape"] == [2]
    v1 = explain(server, "network", method="occlusion", target=1).json["explanations"]
    np.testing.assert_allclose(
        found["explain_attributions"]["data"], np.ravel([entry["attributions"] for entry in v1]), rtol=1e-5
    )


def test_v2_answers_an_explanation_in_bytes(server: LiveServer) -> None:
    reply = infer(server, explain="integrated_gradients", binary_data_output=True)
    assert reply.headers["content-type"] == "application/octet-stream"
    assert b"explain_attributions" in reply.body


@pytest.mark.parametrize(("model", "parameters", "words"), [
    ("network", {"method": "guess"}, "expected one of integrated_gradients, occlusion, shapley"),
    ("network", {"target": 3}, "the output has 3 columns"),
    ("network", {"target": -1}, "target: must be a whole number"),
    ("network", {"baseline": "zero"}, "baseline: must be a number"),
    ("network", {"baseline": [1, True, 2, 3]}, "baseline: must be a number"),
    ("network", {"baseline": [1, 2]}, "baseline has 2 numbers, a row has 4 features"),
    ("network", {"steps": 1}, "steps: must be a whole number from 2 to 500"),
    ("network", {"method": "shapley", "samples": 60_000}, "allowed are 65536"),
    ("line", {"method": "integrated_gradients"}, "ask for occlusion or shapley"),
    ("labels", {"method": "occlusion"}, "no scores, probabilities or values"),
])  # fmt: skip
def test_what_cannot_be_explained_is_refused_in_words(
    server: LiveServer, model: str, parameters: dict[str, Any], words: str
) -> None:
    reply = explain(server, model, **parameters)
    assert reply.status == 400
    assert words in reply.json["error"]


@pytest.mark.parametrize("body", [{"instances": []}, {"instances": [[1, 2, 3, 4]], "parameters": 3}, [1]])
def test_a_body_that_is_no_request_is_refused(server: LiveServer, body: Any) -> None:
    assert server.request("POST", "/v1/models/network:explain", body).status == 400


def test_a_model_of_strings_cannot_be_explained() -> None:
    one = Signature((spec("x", datatype="BYTES"),), (spec("y"),))
    with pytest.raises(BadRequestError, match="one input of numbers"):
        wishes.input_of(one)


def test_an_output_of_rows_and_columns_is_taken_before_a_larger_one() -> None:
    one = Signature((X,), (spec("maps", 2, 2), spec("y", 3)))
    assert wishes.output_of(one).name == "y"
    with pytest.raises(BadRequestError, match="no scores"):
        wishes.output_of(Signature((X,), (spec("maps", 2, 2),)))


def test_without_captum_gradients_are_not_to_be_had(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "captum.attr", None)
    reply = explain(server, "network", method="integrated_gradients")
    assert reply.status == 501
    assert "install modelyard-server[explain]" in reply.json["error"]


def test_predictions_go_first(start: Callable[..., LiveServer]) -> None:
    server = start()
    served = next(iter(server.service.models.all_served()))
    echo_engine.batches.clear()
    first = threading.Thread(target=server.infer, args=([echo_engine.BLOCK, 1], [1, 2]))
    first.start()
    assert echo_engine.blocked.wait(10)
    second = threading.Thread(target=server.infer, args=([1, 2, 3, 4], [2, 2]))
    second.start()
    while served.batcher.queued_rows < 2:
        assert second.is_alive()
    before = asyncio.run_coroutine_threadsafe(served.batcher.when_idle(lambda: list(echo_engine.batches)), server.loop)
    echo_engine.gate.set()
    assert before.result(10) == [1, 2]
    first.join(10)
    second.join(10)


async def test_shapley_values_of_a_product_are_fair() -> None:
    async def evaluate(points: Array) -> Array:
        product: Array = points.prod(axis=1)
        return product

    row, baseline = np.array([2.0, 3.0]), np.zeros(2)
    found = await perturbation.shapley(evaluate, row, baseline, 2, 0)
    np.testing.assert_allclose(found, [3.0, 3.0])
    np.testing.assert_allclose(await perturbation.occlusion(evaluate, row, baseline), [6.0, 6.0])


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion", "shapley"])
def test_the_cost_is_bounded(method: str) -> None:
    wide = spec("x", 100_000)
    with pytest.raises(BadRequestError, match="allowed are 65536"):
        wishes.check_cost(Wish(method=method, steps=500), 200, wide)  # type: ignore[arg-type]
    assert prod(wide.shape[1:]) == 100_000


def test_the_network_is_known_by_what_it_has() -> None:
    assert not gradients.has_gradients(object())
    assert repository.YOUNG_OBJECTS > 700
