"""Training for real, on the bundled data, and the trained packages through a real server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from modelyard_server.package import files
from modelyard_server.settings import Settings
from modelyard_trainer import datasets
from modelyard_trainer.__main__ import main
from modelyard_trainer.features import Reference
from unit.server.live import LiveServer


def train(recipe: str, out: Path, *flags: str) -> files.Package:
    assert main([recipe, "--out", str(out), *flags]) == 0
    return files.read(out)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> files.Package:
    return train("digits", tmp_path_factory.mktemp("digits"), "--epochs", "12", "--version", "7")


def serve(package: files.Package) -> LiveServer:
    return LiveServer(Settings(model=package.root, device="cpu", threads=1))


@pytest.fixture(scope="module")
def server(digits: files.Package) -> Iterator[LiveServer]:
    running = serve(digits)
    yield running
    running.stop()


def test_a_digits_package_is_good_sealed_and_described(digits: files.Package) -> None:
    assert files.verify(digits.root) == digits.digest
    assert (digits.card.name, digits.card.version, digits.card.origin.seed) == ("digits", "7", 0)
    assert digits.card.origin.dataset_digest == datasets.digits().digest
    assert digits.card.metrics["accuracy"] > 0.95
    reference = msgspec.json.decode((digits.root / "reference.json").read_bytes(), type=Reference)
    assert (reference.rows, len(reference.features)) == (1347, 64)
    assert {oct(path.stat().st_mode)[-3:] for path in digits.root.iterdir()} == {"644"}


def test_equal_seeds_give_equal_packages(tmp_path: Path) -> None:
    again = [train("digits", tmp_path / str(number), "--epochs", "2").digest for number in range(2)]
    other = train("digits", tmp_path / "other", "--epochs", "2", "--seed", "1").digest
    assert again[0] == again[1] != other


def test_gradient_descent_reaches_the_closed_form(tmp_path: Path) -> None:
    metrics = train("regression", tmp_path).card.metrics
    assert metrics["rmse"] == pytest.approx(metrics["closedFormRmse"], abs=0.05)
    assert metrics["r2"] > 0.45


def test_an_occupied_folder_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main(["regression", "--out", str(tmp_path), "--epochs", "1"]) == 1
    assert "choose an empty --out" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").exists()


def test_evaluation_sends_the_held_out_set(server: LiveServer, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{server.port}"
    assert main(["evaluate", "digits", "--url", url, "--samples", "3"]) == 0
    output = capsys.readouterr().out
    assert "450 rows in 15 requests" in output
    assert "PASSED: accuracy 0.9" in output
    assert output.count("┌") == 3


def test_evaluation_below_the_minimum_fails(server: LiveServer, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{server.port}"
    assert main(["evaluate", "digits", "--url", url, "--min-accuracy", "1.01", "--samples", "0"]) == 1
    assert "FAILED" in capsys.readouterr().out


@pytest.mark.parametrize("recipe", ["regression", "tabular"])
def test_the_other_recipes_serve_what_they_measured(
    tmp_path: Path, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    package = train(recipe, tmp_path)
    running = serve(package)
    try:
        assert main(["evaluate", recipe, "--url", f"http://127.0.0.1:{running.port}"]) == 0
    finally:
        running.stop()
    metric = "RMSE" if recipe == "regression" else "accuracy"
    value = package.card.metrics["rmse" if recipe == "regression" else "accuracy"]
    assert f"{metric} {value}"[:12] in capsys.readouterr().out.split("PASSED")[1]


@pytest.mark.parametrize(
    ("url", "message"),
    [("http://127.0.0.1:9", "Connection refused"), ("ftp://x", "expected http://host")],
)
def test_a_server_that_is_not_there_is_one_line(url: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "digits", "--url", url, "--wait", "0"]) == 1
    assert message in capsys.readouterr().err


def test_another_model_is_named(server: LiveServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "digits", "--url", f"http://127.0.0.1:{server.port}", "--model", "x"]) == 1
    assert "this server has 'digits'" in capsys.readouterr().err


def test_fetch_and_verify_start_without_torch(digits: files.Package) -> None:
    blocked = "import sys; sys.modules['torch'] = None; sys.modules['sklearn'] = None; sys.modules['fastapi'] = None\n"
    code = blocked + f"from modelyard_server.__main__ import main; sys.exit(main(['verify', {str(digits.root)!r}]))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ), timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, digits.digest), done.stderr
