"""torch.compile for real: it takes a compiler and some seconds, so it is here and not among the unit tests."""

import logging
import shutil
import subprocess
import sys

import pytest
import torch
from torch import nn

from modelyard_server.engines import torch_options

BATCHES = [(torch.ones(rows, 32),) for rows in (1, 64)]


def network() -> nn.Module:
    """Many small operations, which a compiler joins."""
    torch.manual_seed(0)
    layers = [layer for _ in range(6) for layer in (nn.Linear(32, 32), nn.GELU(), nn.LayerNorm(32), nn.Tanh())]
    return nn.Sequential(*layers).eval().requires_grad_(False)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile on a CPU needs g++")
def test_a_compiled_network_answers_alike_and_is_kept_for_its_speed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    before, threads = network(), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        after = torch_options.choose(before, ["compile"], BATCHES, "cpu")
        with torch.inference_mode():
            for rows in (1, 17, 64):
                values = torch.linspace(-1, 1, rows * 32).view(rows, 32)
                torch.testing.assert_close(after(values), before(values), rtol=1e-3, atol=1e-4)
    finally:
        torch.set_num_threads(threads)
    (record,) = [one for one in caplog.records if one.message.startswith("optimisation ")]
    assert record.message == ("optimisation dropped" if after is before else "optimisation kept")
    assert "failed" not in getattr(record, "why", ""), "a compiler is here, so it was measured"
    assert record.speedup > 0  # type: ignore[attr-defined]


def test_without_a_compiler_the_network_stays_as_it_is() -> None:
    code = (
        "import torch; from integration import test_compile as t; from modelyard_server.engines import torch_options;"
        "net = t.network(); print(torch_options.choose(net, ['compile'], t.BATCHES, 'cpu') is net)"
    )
    hidden = {
        "PATH": "/nonexistent",
        "PYTHONPATH": ":".join(sys.path),
        "HOME": "/nonexistent",
        "CXX": "/nonexistent/g++",
    }
    done = subprocess.run([sys.executable, "-c", code], env=hidden, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"
    assert "optimisation dropped" in done.stderr
