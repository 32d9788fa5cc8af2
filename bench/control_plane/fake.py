"""The operator against an API server that costs next to nothing, so that only the operator limits the rate.

The fake is the one of the fault tests: `python -m faults.server --port N`, plain HTTP, objects in memory.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.control_plane.arena import ROOT, RUNTIMES, default_runtime
from bench.control_plane.figures import Figures
from bench.control_plane.load import DEPLOYMENTS, Client, Watch, spread
from bench.control_plane.operators import Operator
from modelyard_local.sockets import answers, free_ports

MODELS = 2000
NAMESPACE = "default"


def measure(figures: Figures, folder: Path) -> None:
    """Write the sustained rate and the CPU per model; say so when there is no fake."""
    if not (ROOT / "tests/faults/server.py").exists():
        figures.say("no fake API server in tests/faults: the sustained rate is left out")
        return
    with _server(folder) as port:
        rate, cpu = asyncio.run(_sustained(port, folder))
    figures.add("fake.rate", rate, "models/s", models=MODELS)
    figures.add("fake.cpu_per_model", cpu * 1000, "ms", models=MODELS)


async def _sustained(port: int, folder: Path) -> tuple[float, float]:
    """Models a second and CPU seconds per model."""
    server = f"http://127.0.0.1:{port}"
    config = _kubeconfig(folder / "fake.kubeconfig", server)
    async with Client(server, None) as client, Client(server, None) as second:
        await client.apply(RUNTIMES, default_runtime())
        with Operator(config, "", folder / "fake-operator.log") as operator:
            await operator.quiet()
            watch = Watch(second, DEPLOYMENTS.format(NAMESPACE))
            await asyncio.sleep(0.5)
            began, cpu = time.monotonic(), operator.cpu_seconds()
            await spread(partial(client.create, NAMESPACE, f"m{number}") for number in range(MODELS))
            seconds = await watch.until(MODELS, 300) - began
            await operator.quiet()
            await watch.end()
            return MODELS / seconds, (operator.cpu_seconds() - cpu) / MODELS


def _kubeconfig(path: Path, server: str) -> Path:
    document = {
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": server}}],
        "users": [{"name": "fake", "user": {"token": "fake"}}],
    }
    path.write_text(json.dumps(document))
    return path


@contextmanager
def _server(folder: Path) -> Iterator[int]:
    [port] = free_ports(1)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT / 'local/src'}"}
    with (folder / "fake.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "faults.server", "--port", str(port)], stderr=log, env=environment
        )
    try:
        deadline = time.monotonic() + 20
        while not answers(port, "/version"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the fake API server does not answer: {(folder / 'fake.log').read_text()[-500:]}")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(10)
