"""Models of one's own: classes of installed distributions, found by entry point."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from modelyard_server.engines import registry
from modelyard_server.engines.model import LoadOptions, Model
from modelyard_server.errors import BadRequestError, StartupError
from modelyard_server.package import files, parse
from modelyard_server.package.architectures import Installed
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.package.steps import Preprocessing

CODE = """
import json
from modelyard_server.errors import BadRequestError
import torch

class Lookup:
    device, parameter_bytes = "cpu", 7

    @classmethod
    def load(cls, package, options):
        made = cls()
        made.words = json.loads((package.root / "words.json").read_text())
        return made

    def predict(self, inputs):
        if inputs["x"][0] == 99:
            raise BadRequestError("99 is no word")
        return {"word": [self.words[int(one)] for one in inputs["x"]], "twice": inputs["x"] * 2}

    def device_memory(self):
        return {}

class Broken:
    @classmethod
    def load(cls, package, options):
        return cls()

class Net(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.layer = torch.nn.Linear(size, 2)
    def forward(self, x):
        return self.layer(x) * 10

def no_network(size):
    return size
"""
POINTS = """
[modelyard.models]
lookup = zoo_of_a_user:Lookup
broken = zoo_of_a_user:Broken
network = zoo_of_a_user:no_network

[modelyard.networks]
net = zoo_of_a_user:Net
number = zoo_of_a_user:no_network
"""


def distribute(folder: Path) -> None:
    """What an installed distribution looks like on disk."""
    info = folder / "zoo_of_a_user-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-of-a-user\nVersion: 1\n")
    (info / "entry_points.txt").write_text(POINTS)
    (folder / "zoo_of_a_user.py").write_text(dedent(CODE))


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    def add(folder: Path) -> None:
        distribute(folder)
        monkeypatch.syspath_prepend(str(folder))

    yield add
    sys.modules.pop("zoo_of_a_user", None)


def card(entry_point: str = "lookup", **fields: Any) -> ModelCard:
    return ModelCard(**{
        "name": "m", "version": "1", "format": "python", "entry_point": entry_point,
        "inputs": (TensorSpec(name="x", datatype="FP32", shape=(-1,)),),
        "outputs": (
            TensorSpec(name="word", datatype="BYTES", shape=(-1,)),
            TensorSpec(name="twice", datatype="INT64", shape=(-1,)),
        ),
        **fields,
    })  # fmt: skip


def load(root: Path, model: ModelCard) -> Model:
    root.mkdir(parents=True, exist_ok=True)
    (root / parse.FILE).write_bytes(parse.encode(model))
    (root / "words.json").write_text('["nought", "one", "two", "three"]')
    return registry.load(files.read(root), LoadOptions(device="cpu", threads=1))


def refused(root: Path, model: ModelCard) -> StartupError:
    with pytest.raises(StartupError) as error:
        load(root, model)
    return error.value


def test_a_class_of_the_image_serves(tmp_path: Path, install: Callable[[Path], None]) -> None:
    install(tmp_path / "site")
    model = load(tmp_path / "package", card())
    found = model.predict({"x": np.array([1, 3], np.float32)})
    assert (found["word"].tolist(), found["twice"].tolist()) == ([b"one", b"three"], [2, 6])
    assert found["twice"].dtype == np.dtype(np.int64)
    assert (model.device, model.parameter_bytes) == ("cpu", 7)
    assert model.device_memory() == {}


def test_declared_scaling_comes_before_it(tmp_path: Path, install: Callable[[Path], None]) -> None:
    install(tmp_path / "site")
    model = load(tmp_path / "package", card(preprocessing=(Preprocessing(input="x", scale=0.5),)))
    assert model.predict({"x": np.array([6], np.float32)})["word"].tolist() == [b"three"]


def test_it_may_say_that_the_client_is_at_fault(tmp_path: Path, install: Callable[[Path], None]) -> None:
    install(tmp_path / "site")
    with pytest.raises(BadRequestError, match="99 is no word"):
        load(tmp_path / "package", card()).predict({"x": np.array([99], np.float32)})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "entryPoint: is required for format python"),
        ("other", "'other' is not in this image; entry points of modelyard.models: broken, lookup, network"),
        ("broken", "Broken has no device, parameter_bytes, predict, device_memory"),
        ("network", "zoo_of_a_user:no_network has no method load"),
    ],
)
def test_what_is_no_model_is_told(tmp_path: Path, install: Callable[[Path], None], name: str, message: str) -> None:
    install(tmp_path / "site")
    assert message in str(refused(tmp_path / "package", card(name)))


def test_code_of_a_package_is_refused(tmp_path: Path, install: Callable[[Path], None]) -> None:
    install(tmp_path / "package")
    error = refused(tmp_path / "package", card())
    assert (error.reason, "lies inside of the package" in str(error)) == ("UnsafeFormat", True)


def network_card(name: str, **arguments: Any) -> ModelCard:
    return ModelCard(
        name="m", version="1", format="torch", architecture=Installed(name=name, arguments=arguments),
        inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 3)),),
        outputs=(TensorSpec(name="y", datatype="FP32", shape=(-1, 2)),),
    )  # fmt: skip


def test_a_network_of_the_image_gets_its_weights_from_the_package(
    tmp_path: Path, install: Callable[[Path], None]
) -> None:
    install(tmp_path / "site")
    (tmp_path / "package").mkdir()
    weights = {"layer.weight": torch.ones(2, 3), "layer.bias": torch.zeros(2)}
    save_file(weights, tmp_path / "package" / "model.safetensors")
    model = load(tmp_path / "package", network_card("net", size=3))
    assert model.predict({"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[30, 30]]


@pytest.mark.parametrize(
    ("name", "message"),
    [("other", "'other' is not in this image; entry points of modelyard.networks: net, number"),
     ("number", "gives int, not a torch module")],
)  # fmt: skip
def test_what_is_no_network_is_told(tmp_path: Path, install: Callable[[Path], None], name: str, message: str) -> None:
    install(tmp_path / "site")
    assert message in str(refused(tmp_path / "package", network_card(name, size=3)))
