"""Explanations of texts: which tokens they name, what they add up to, and what they refuse."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modelyard_server.engines import torch_networks
from modelyard_server.errors import BadRequestError
from modelyard_server.explain import text, wishes
from modelyard_server.explain.wishes import Wish
from modelyard_server.package import files
from modelyard_server.package.architectures import Architecture
from modelyard_server.rpc import inference_pb2 as pb
from modelyard_server.settings import Settings
from unit.server import live, token_packages
from unit.server.live import LiveServer
from unit.server.rpc_client import RpcClient
from unit.server.token_packages import SEQ2SEQ, encoder, recurrent

TEXTS = ["a b c", "h g f e d"]
IDS = [[4, 5, 6], [11, 10, 9, 8, 7]]
MODELS: dict[str, tuple[Architecture, bool]] = {
    "encoder": (encoder(out_features=8), True),
    "lstm": (recurrent(bidirectional=True), True),
    "ids": (recurrent(bidirectional=True), False),
    "writer": (SEQ2SEQ, True),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    root = tmp_path_factory.mktemp("texts")
    for name, (architecture, of_text) in MODELS.items():
        token_packages.package(root / name, architecture, text=of_text)
        files.seal(root / name)
    running = LiveServer(Settings(model=Path("/nowhere"), repository=root, grpc_port=live.free_port(), device="cpu"))
    yield running
    running.stop()


def explain(server: LiveServer, model: str, rows: list[Any], **parameters: Any) -> live.Reply:
    return server.request("POST", f"/v1/models/{model}:explain", {"instances": rows, "parameters": parameters})


def change(model: str, ids: list[int], target: int) -> float:
    """Of the score from a row of padding to these ids, by the network itself."""
    torch.manual_seed(0)
    network = torch_networks.build(MODELS[model][0]).eval()
    rows = torch.tensor([ids, [0] * len(ids)])
    with torch.inference_mode():
        scores = network(rows, torch.tensor([len(ids)] * 2))
    return float(scores[0, target] - scores[1, target])


@pytest.mark.parametrize("model", ["encoder", "lstm"])
def test_each_token_has_its_part_of_the_score(server: LiveServer, model: str) -> None:
    reply = explain(server, model, TEXTS, steps=200)
    assert reply.status == 200, reply.json
    for words, ids, entry in zip(TEXTS, IDS, reply.json["explanations"], strict=True):
        assert entry["tokens"] == words.split()
        assert entry["method"] == "integrated_gradients"
        assert sum(entry["attributions"]) == pytest.approx(change(model, ids, entry["target"]), abs=2e-3)
        assert abs(entry["convergence_delta"]) < 2e-3
    predictions = server.request("POST", f"/v1/models/{model}:predict", {"instances": TEXTS}).json["predictions"]
    np.testing.assert_allclose(reply.json["predictions"], predictions, atol=1e-6)


def test_a_token_that_is_its_own_baseline_adds_nothing(server: LiveServer) -> None:
    entry = explain(server, "lstm", ["a b a"], baseline=4, target=1).json["explanations"][0]
    assert entry["attributions"][0] == entry["attributions"][2] == 0
    assert entry["attributions"][1] != 0


def test_ids_are_explained_in_their_own_shape(server: LiveServer) -> None:
    body = {"instances": [[4, 5, 6, 0, 0]], "parameters": {"target": 2}}
    entry = server.request("POST", "/v1/models/ids:explain", body).json["explanations"][0]
    assert "tokens" not in entry
    text_entry = explain(server, "lstm", ["a b c"], target=2).json["explanations"][0]
    np.testing.assert_allclose(entry["attributions"], [*text_entry["attributions"], 0, 0], atol=1e-6)


def infer(server: LiveServer, **parameters: Any) -> dict[str, Any]:
    tensor = {"name": "x", "shape": [2], "datatype": "BYTES", "data": TEXTS}
    reply = server.request("POST", "/v2/models/lstm/infer", {"inputs": [tensor], "parameters": parameters})
    assert reply.status == 200, reply.json
    return {output["name"]: output for output in reply.json["outputs"]}


def test_v2_fills_rows_up_to_the_longest(server: LiveServer) -> None:
    found = infer(server, explain="integrated_gradients", explain_target=1)
    assert found["explain_attributions"]["shape"] == found["explain_tokens"]["shape"] == [2, 5]
    assert found["explain_tokens"]["data"] == ["a", "b", "c", "", "", "h", "g", "f", "e", "d"]
    assert found["explain_attributions"]["data"][3:5] == [0, 0]
    assert found["explain_target"]["data"] == [1, 1]
    assert found["y"] == infer(server)["y"]


def test_grpc_explains_by_the_same_parameters(server: LiveServer) -> None:
    request = pb.ModelInferRequest(model_name="lstm")
    tensor = request.inputs.add(name="x", datatype="BYTES", shape=[2])
    tensor.contents.bytes_contents.extend(one.encode() for one in TEXTS)
    request.parameters["explain"].string_param = "integrated_gradients"
    request.parameters["explain_target"].int64_param = 1
    with RpcClient(server.service.settings.grpc_port) as client:
        found = {one.name: one.contents for one in client.call("ModelInfer", request).outputs}
        request.parameters["explain"].string_param = "guess"
        assert client.refused("ModelInfer", request)[0] == "INVALID_ARGUMENT"
    rest = infer(server, explain="integrated_gradients", explain_target=1)
    np.testing.assert_allclose(
        found["explain_attributions"].fp32_contents, rest["explain_attributions"]["data"], atol=1e-6
    )
    assert [one.decode() for one in found["explain_tokens"].bytes_contents] == rest["explain_tokens"]["data"]
    assert list(found["explain_target"].int64_contents) == [1, 1]


@pytest.mark.parametrize(("model", "row", "parameters", "words"), [
    ("lstm", "a", {"method": "occlusion"}, "ask for integrated_gradients of a text"),
    ("lstm", "a b " * 16, {"steps": 500, "target": 3}, "the output has 3 columns"),
    ("lstm", "a", {"baseline": 12}, "a number from 0 to 11"),
    ("lstm", "a", {"baseline": [1, 2]}, "must be one token"),
    ("writer", "a", {"method": "integrated_gradients"}, "a torch network over tokens"),
])  # fmt: skip
def test_what_cannot_be_explained_is_refused_in_words(
    server: LiveServer, model: str, row: str, parameters: dict[str, Any], words: str
) -> None:
    reply = explain(server, model, [row], **parameters)
    assert reply.status == 400, reply.json
    assert words in reply.json["error"]


def test_the_tokens_of_a_request_are_bounded(server: LiveServer) -> None:
    reply = explain(server, "lstm", ["a b c d e f g h " * 4] * 5, steps=500)
    assert reply.status == 400
    assert "160 tokens at 500 steps are 80000 evaluations" in reply.json["error"]
    wishes.check_tokens(Wish(method="integrated_gradients", steps=500), 131)


@pytest.mark.parametrize(("tokens", "steps"), [(1, 2), (7, 50), (600, 50), (5000, 3)])
def test_a_path_in_pieces_is_the_whole_path(tokens: int, steps: int) -> None:
    found = text.pieces(tokens, steps)
    assert sum(size for _, _, size in found) == steps
    assert (found[0][0], found[-1][1]) == (0.0, 1.0)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(found))
    assert all(size == 1 or size * tokens <= text.TOKENS for _, _, size in found)


def test_pieces_add_up_to_what_the_path_gives_at_once(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = explain(server, "encoder", TEXTS[:1], steps=300, target=0).json["explanations"][0]
    monkeypatch.setattr(text, "TOKENS", 30)
    pieces = explain(server, "encoder", TEXTS[:1], steps=300, target=0).json["explanations"][0]
    np.testing.assert_allclose(pieces["attributions"], whole["attributions"], atol=2e-3)


def test_a_token_of_a_baseline_is_a_whole_number() -> None:
    assert wishes.token_of(Wish(method="integrated_gradients"), 3, 12) == 3
    with pytest.raises(BadRequestError, match="must be one token"):
        wishes.token_of(Wish(method="integrated_gradients", baseline=(1.5,)), 0, 12)
