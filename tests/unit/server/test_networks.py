"""Declared networks: their size, and that batching and padding change no answer."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import torch

from modelyard_server.batching import jobs
from modelyard_server.batching.batcher import Batcher
from modelyard_server.batching.limits import Limits
from modelyard_server.batching.worker import Worker
from modelyard_server.engines import preparation, registry, sequences, torch_networks
from modelyard_server.engines.model import LoadOptions, Model
from modelyard_server.engines.preparation import Arrays, Preparation
from modelyard_server.errors import BadRequestError
from modelyard_server.metrics import Metrics
from modelyard_server.package.architectures import (
    Architecture,
    ConvNet,
    Convolution,
    Pool,
    Residual,
    Seq2Seq,
)
from modelyard_server.protocol.datatypes import Array
from unit.server.token_packages import SEQ2SEQ, encoder, package, recurrent

TEXTS = [
    "a",
    "b c d e f g h a b",
    "c c",
    "h g f e d c b a a b c d e f g h a b c d e f g h",
    "",
    "d e f g h a a a a a a",
]
RESNET_18 = ConvNet(
    image=(3, 224, 224),
    blocks=(
        Convolution(channels=64, kernel=7, stride=2, norm="batch"),
        Pool(kernel=3),
        Residual(channels=64, repeat=2),
        Residual(channels=128, stride=2, repeat=2),
        Residual(channels=256, stride=2, repeat=2),
        Residual(channels=512, stride=2, repeat=2),
    ),
    out_features=1000,
)


def load(root: Path, architecture: Architecture) -> tuple[Model, Preparation]:
    made = package(root, architecture)
    prepare = preparation.of(made)
    assert prepare is not None
    return registry.load(made, LoadOptions(device="cpu", threads=1)), prepare


def texts(*values: str) -> Arrays:
    array = np.empty((len(values),), np.object_)
    array[:] = [value.encode() for value in values]
    return {"x": array}


def test_a_resnet_18_has_the_parameters_of_the_paper_s() -> None:
    with torch.device("meta"):
        network = torch_networks.build(RESNET_18)
    # Those that torchvision.models.resnet18 counts.
    assert sum(parameter.numel() for parameter in network.parameters()) == 11_689_512
    assert {"blocks.0.conv.weight", "blocks.3.0.shortcut.norm.weight", "out.bias"} <= network.state_dict().keys()


@pytest.mark.parametrize("pooling", ["average", "flatten"])
@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_declared_sizes_are_those_of_the_network(pooling: str, kernel: int) -> None:
    blocks = (
        Convolution(channels=3, kernel=kernel, stride=2, activation="none"),
        Pool(kind="average", kernel=kernel, stride=1),
        Residual(channels=4, stride=2, activation="tanh"),
    )
    net = ConvNet(image=(1, 19, 16), blocks=blocks, pooling=pooling, hidden=(6,), out_features=2)  # type: ignore[arg-type]
    assert torch_networks.build(net).eval()(torch.zeros(2, 1, 19, 16)).shape == (2, 2)


@pytest.mark.parametrize(
    "architecture",
    [
        encoder(),
        encoder(pooling="max", token_types=0),
        encoder(pooling="cls", normalise=True, activation="relu"),
        encoder(pooling="pooler", out_features=8),
        recurrent(),
        recurrent(cell="gru", bidirectional=True, layers=2),
        recurrent(cell="rnn", pooling="mean", bidirectional=True),
        recurrent(cell="gru", pooling="max"),
        SEQ2SEQ,
        Seq2Seq(**{**{f: getattr(SEQ2SEQ, f) for f in SEQ2SEQ.__struct_fields__}, "beams": 3}),
    ],
    ids=lambda one: type(one).__name__,
)
def test_one_by_one_and_batched_are_equal(tmp_path: Path, architecture: Architecture) -> None:
    model, prepare = load(tmp_path, architecture)
    together = model.predict(prepare(texts(*TEXTS)))
    alone = [model.predict(prepare(texts(text))) for text in TEXTS]
    for name, array in together.items():
        expected = np.concatenate([one[name] for one in alone])
        if array.dtype.kind == "O":
            assert array.tolist() == expected.tolist()
        else:
            np.testing.assert_allclose(array, expected, atol=1e-6)
            assert len(np.unique(array.round(5), axis=0)) > 1


def test_several_beams_find_what_is_at_least_as_probable(tmp_path: Path) -> None:
    scores: list[Array] = []
    for beams in (1, 12):
        wide = Seq2Seq(**{**{f: getattr(SEQ2SEQ, f) for f in SEQ2SEQ.__struct_fields__}, "beams": beams})
        model, prepare = load(tmp_path, wide)
        scores.append(model.predict(prepare(texts(*TEXTS)))["score"])
    assert (scores[1] >= scores[0] - 1e-5).all()
    assert (scores[1] > scores[0] + 1e-3).any()


def test_answers_are_bounded(tmp_path: Path) -> None:
    model, prepare = load(tmp_path, SEQ2SEQ)
    written = model.predict(prepare(texts(*TEXTS)))["text"]
    assert max(len(text.split()) for text in written) <= 9


def test_ids_of_a_client_equal_its_text(tmp_path: Path) -> None:
    model, prepare = load(tmp_path, encoder())
    (tmp_path / "ids").mkdir()
    numbers = registry.load(package(tmp_path / "ids", encoder(), text=False), LoadOptions(device="cpu", threads=1))
    ids = np.array([[4, 0, 0], [5, 6, 7]])
    expected = model.predict(prepare(texts("a", "b c d")))["y"]
    np.testing.assert_allclose(numbers.predict({"x": ids})["y"], expected, atol=1e-6)


@pytest.mark.parametrize(
    "architecture", [encoder(out_features=8), recurrent(bidirectional=True), recurrent(pooling="max")]
)
async def test_ids_of_all_lengths_run_in_one_batch_and_are_answered_as_alone(
    tmp_path: Path, architecture: Architecture
) -> None:
    made = package(tmp_path, architecture, text=False)
    model = registry.load(made, LoadOptions(device="cpu", threads=1))
    batches: list[int] = []

    def predict(inputs: Arrays) -> Arrays:
        batches.append(len(inputs["x"]))
        return model.predict(inputs)

    worker = Worker(asyncio.get_running_loop(), lambda: None)
    batcher = Batcher(worker, predict, Limits(64, 0, 64, 10), Metrics().of("m", "1"), preparation.of(made))
    requests = [[[4, 5]], [[4, 5, 6, 7, 8, 9, 10, 11] * 4], [[6, 0, 0, 0], [7, 8, 0, 0]]]
    together = await asyncio.gather(*(batcher.submit({"x": np.array(rows)}, len(rows)) for rows in requests))
    worker.stop()
    assert batches == [4]
    for rows, found in zip(requests, together, strict=True):
        np.testing.assert_allclose(found["y"], model.predict({"x": np.array(rows)})["y"], atol=1e-6)


def test_rows_of_numbers_are_not_mixed_with_longer_ones(tmp_path: Path) -> None:
    one, other = {"x": np.zeros((1, 2))}, {"x": np.zeros((1, 3))}
    assert jobs.key_of(one, frozenset()) != jobs.key_of(other, frozenset())
    prepare = preparation.of(package(tmp_path, SEQ2SEQ, text=False))
    assert prepare is not None
    assert jobs.key_of(one, prepare.ragged) == jobs.key_of(other, prepare.ragged)


@pytest.mark.parametrize(
    ("ids", "message"),
    [([[4, 12]], "holds id 12; ids are 0 to 11"), ([[-1]], "holds id -1"), ([[4] * 41], "has 41 tokens; at most 40")],
)
def test_ids_that_the_network_does_not_know_are_the_client_s_fault(
    tmp_path: Path, ids: list[list[int]], message: str
) -> None:
    numbers = registry.load(package(tmp_path, encoder(), text=False), LoadOptions(device="cpu", threads=1))
    with pytest.raises(BadRequestError, match=message):
        numbers.predict({"x": np.array(ids)})


def test_long_rows_are_not_padded_onto_short_ones() -> None:
    found = [group.tolist() for group in sequences.groups(np.array([3, 500, 16, 2, 400, 30, 1]))]
    assert found == [[6, 3, 0, 2], [5], [4, 1]]
    assert [group.tolist() for group in sequences.groups(np.array([7]))] == [[0]]


def test_rows_are_trimmed_and_padded_again() -> None:
    ids = np.array([[1, 0, 2, 0], [0, 0, 0, 0]])
    rows = sequences.trimmed(ids, 0)
    assert [row.tolist() for row in rows] == [[1, 0, 2], []]
    again, lengths = sequences.padded(rows, 0)
    assert (again.tolist(), lengths.tolist()) == ([[1, 0, 2], [0, 0, 0]], [3, 1])
