"""Files that are programs: read only when allowed and pinned; and networks made faster, when that pays."""

import logging
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from modelyard_server.engines import registry, timing, torch_networks, torch_options
from modelyard_server.engines.model import LoadOptions
from modelyard_server.errors import StartupError
from modelyard_server.package import files, parse
from modelyard_server.package.architectures import Mlp
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.package.steps import Preprocessing

MLP = Mlp(layers=(3, 4, 2))


def program(root: Path, kind: str) -> str:
    """A package with an MLP as a program; its digest."""
    torch.manual_seed(0)
    network = torch_networks.build(MLP).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "torchscript":
            torch.jit.trace(network, torch.zeros(2, 3)).save(str(root / "model.pt"))  # type: ignore[no-untyped-call]
        else:
            rows = torch.export.Dim("rows")
            exported = torch.export.export(network, (torch.zeros(2, 3),), dynamic_shapes=({0: rows},))
            torch.export.save(exported, root / "model.pt2")
    card = ModelCard(
        name="m", version="1", format=kind, preprocessing=(Preprocessing(input="x", scale=2.0),),
        inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 3)),),
        outputs=(TensorSpec(name="y", datatype="FP32", shape=(-1, 2)),),
    )  # fmt: skip
    (root / parse.FILE).write_bytes(parse.encode(card))
    return files.seal(root)


@pytest.mark.parametrize("kind", ["torchscript", "torch-export"])
class TestPrograms:
    def test_one_that_is_allowed_and_pinned_serves(self, tmp_path: Path, kind: str) -> None:
        digest = program(tmp_path, kind)
        options = LoadOptions(device="cpu", threads=1, unsafe_formats="Allow", digest=digest)
        model = registry.load(files.read(tmp_path), options)
        rows = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
        torch.manual_seed(0)
        with torch.inference_mode():
            expected = torch_networks.build(MLP).eval()(torch.from_numpy(rows * 2)).numpy()
        np.testing.assert_allclose(model.predict({"x": rows})["y"], expected, atol=1e-6)
        assert model.parameter_bytes == 4 * (3 * 4 + 4 + 4 * 2 + 2)
        assert model.device_memory() == {}

    def test_it_is_refused_unless_both_are_given(self, tmp_path: Path, kind: str) -> None:
        digest = program(tmp_path, kind)
        cases = {
            "set spec.model.unsafeFormats to Allow": LoadOptions(device="cpu", digest=digest),
            f"pin the package's digest, {digest}": LoadOptions(device="cpu", unsafe_formats="Allow"),
            "trusted is sha256:other": LoadOptions(device="cpu", unsafe_formats="Allow", digest="sha256:other"),
        }
        for message, options in cases.items():
            with pytest.raises(StartupError) as error:
                registry.load(files.read(tmp_path), options)
            assert (error.value.reason, message in str(error.value)) == ("UnsafeFormat", True)

    def test_files_that_are_not_the_pinned_ones_are_refused(self, tmp_path: Path, kind: str) -> None:
        digest = program(tmp_path, kind)
        (tmp_path / ("model.pt" if kind == "torchscript" else "model.pt2")).write_bytes(b"something else")
        options = LoadOptions(device="cpu", unsafe_formats="Allow", digest=digest)
        with pytest.raises(StartupError, match="has other contents") as error:
            registry.load(files.read(tmp_path), options)
        assert error.value.reason == "UnsafeFormat"


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    program(tmp_path, "torchscript")
    (tmp_path / "model.pt").unlink()
    options = LoadOptions(device="cpu", unsafe_formats="Allow", digest=files.seal(tmp_path))
    with pytest.raises(StartupError, match=r"model\.pt: no such file"):
        registry.load(files.read(tmp_path), options)


class Clock:
    """Predictions that take as long as they say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("modelyard_server.engines.timing.time.perf_counter", lambda: self.now)

    def network(self, seconds: float, factor: float = 1.0) -> torch_options.Forward:
        def forward(batch: torch.Tensor) -> torch.Tensor:
            self.now += seconds
            return batch * factor

        return forward


BATCHES = [(torch.ones(1, 3),), (torch.ones(8, 3),)]


@pytest.mark.parametrize(
    ("seconds", "factor", "dropped"),
    [
        (0.5, 1.0, ""),
        (0.5, 1.001, "outputs differ by 0.001, allowed is 1e-05"),
        (0.95, 1.0, "speed-up 1.05, wanted is 1.1"),
        (2.0, 1.0, "speed-up 0.50"),
    ],
)
def test_an_option_is_kept_when_it_is_faster_and_right(
    monkeypatch: pytest.MonkeyPatch, seconds: float, factor: float, dropped: str
) -> None:
    clock = Clock(monkeypatch)
    trial = torch_options.attempt(clock.network(1.0), clock.network(seconds, factor), BATCHES, 1e-5)
    assert dropped in trial.dropped
    assert bool(trial.dropped) == bool(dropped)
    assert trial.speedup == pytest.approx(1 / seconds)


def test_other_shapes_are_another_answer() -> None:
    trial = torch_options.attempt(lambda batch: (batch, batch), lambda batch: (batch, batch[:, :1]), BATCHES, 1.0)
    assert trial.dropped.startswith("outputs differ by inf")


def test_a_long_prediction_is_measured_once_a_short_one_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    calls: list[float] = []
    for seconds in (1.0, 0.01):
        forward = clock.network(seconds)

        def predict(seconds: float = seconds, forward: torch_options.Forward = forward) -> None:
            calls.append(seconds)
            forward(torch.ones(1))

        assert timing.best_seconds(predict) == pytest.approx(seconds)
    assert (calls.count(1.0), calls.count(0.01)) == (1, 6)


def served(root: Path, layers: tuple[int, ...], caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Load an MLP with int8 wanted; what the log says about it."""
    architecture = Mlp(layers=layers)
    torch.manual_seed(0)
    save_file(dict(torch_networks.build(architecture).state_dict()), root / "model.safetensors")
    card = ModelCard(
        name="m", version="1", format="torch", architecture=architecture, optimise=("int8",),
        inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, layers[0])),),
        outputs=(TensorSpec(name="y", datatype="FP32", shape=(-1, layers[-1])),),
    )  # fmt: skip
    (root / parse.FILE).write_bytes(parse.encode(card))
    with caplog.at_level(logging.INFO):
        model = registry.load(files.read(root), LoadOptions(device="cpu", threads=1, warm_rows=8))
    assert model.predict({"x": np.zeros((2, layers[0]), np.float32)})["y"].shape == (2, layers[-1])
    return [record for record in caplog.records if record.msg.startswith("optimisation")]


def test_a_small_network_stays_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (record,) = served(tmp_path, (3, 4, 2), caplog)
    assert record.msg == "optimisation dropped"
    assert "speed-up" in record.__dict__["why"] or "differ" in record.__dict__["why"]


def test_int8_computes_nearly_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = torch_networks.build(Mlp(layers=(64, 64, 8))).eval()
    rows = torch.randn(16, 64)
    quantised = torch_options._quantised(network, "cpu")
    with torch.inference_mode():
        assert torch_options._difference(network(rows), quantised(rows)) < torch_options.TOLERANCE["int8"]
        assert not torch.equal(network(rows), quantised(rows))


def test_what_fails_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    network = torch_networks.build(MLP)
    with caplog.at_level(logging.WARNING):
        assert torch_options.choose(network, ["int8"], BATCHES, "cuda:0") is network
    (record,) = caplog.records
    assert record.__dict__["why"] == "failed: int8 is for networks on the CPU, before compile"
