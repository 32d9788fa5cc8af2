"""Who is measured, with which settings. The settings are those that were fastest for each in our own trials."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.model_server.networks import Built

APPS = Path(__file__).parent / "apps"
OURS = "ours"
ECHO = "echo"


@dataclass(frozen=True)
class Ports:
    """Loopback ports of one run."""

    http: int
    more: tuple[int, int]


@dataclass(frozen=True)
class Start:
    """How a server is started: `{python}` is its environment's."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = APPS


@dataclass(frozen=True)
class Peer:
    """One server under test."""

    name: str
    title: str
    package: str
    settings: str
    path: str
    """Of inference; `{name}` is the model's."""
    ready: str
    binary: bool
    """Whether it takes the binary tensors of V2."""
    form: str = "v2"
    """The JSON that it takes: v2, or bentoml for its own."""
    python: str = ""
    """A certain interpreter for its environment; any when empty."""


V2 = "/v2/models/{name}/infer"
PEERS = {
    one.name: one
    for one in (
        Peer(ECHO, "bare ASGI echo", "uvicorn", "uvicorn, uvloop, httptools", "/", "/", binary=True),
        Peer(OURS, "Modelyard", "modelyard-server", "as it comes", V2, "/v2/health/ready", binary=True),
        Peer("mlserver", "MLServer", "mlserver", "in process (parallel_workers 0), no batching", V2,
             "/v2/models/{name}/ready", binary=False),
        Peer("kserve", "KServe's Python server", "kserve", "one worker, no latency log", V2,
             "/v2/models/{name}/ready", binary=True),
        Peer("litserve", "LitServe", "litserve", "fast_queue, one worker, no batching", "/predict", "/health",
             binary=False),
        Peer("bentoml", "BentoML", "bentoml", "batchable, 32 rows", "/predict", "/readyz", binary=False,
             form="bentoml"),
        # Its library is linked against a Python that has a shared one; that of Debian does.
        Peer("pytriton", "pytriton", "nvidia-pytriton", "dynamic batcher without delay, 32 rows", V2,
             "/v2/models/{name}/ready", binary=True, python="/usr/bin/python3"),
    )
}  # fmt: skip


def start(peer: Peer, built: Built, ports: Ports, workspace: Path) -> Start:
    """The command of a peer for one model."""
    variables = {
        "BENCH_MODEL": str(built.folder),
        "BENCH_NAME": built.name,
        "BENCH_PORT": str(ports.http),
        "BENCH_MORE_PORTS": " ".join(map(str, ports.more)),
        "PYTHONPATH": str(APPS),
    }
    port = str(ports.http)
    match peer.name:
        case "ours":
            grpc = ["--grpc-port", str(ports.more[0])] if workspace.name == "conformance" else []
            serve = ["-m", "modelyard_server", "--repository", str(built.package.parent.parent), "--model-control"]
            flags = ["explicit", "--load-models", built.name, "--host", "127.0.0.1", "--port", port, *grpc]
            return Start([sys.executable, *serve, *flags], {})
        case "mlserver":
            _mlserver_files(workspace, built, ports)
            return Start(["{bin}/mlserver", "start", str(workspace)], variables, workspace)
        case "kserve":
            flags = ["--http_port", port, "--grpc_port", str(ports.more[0]), "--workers", "1", "--enable_grpc", "true"]
            return Start(["{bin}/python", str(APPS / "kserve_app.py"), *flags], variables)
        case "bentoml":
            quiet = {"BENTOML_DO_NOT_TRACK": "1", "BENTOML_HOME": str(workspace)}
            serve = ["{bin}/bentoml", "serve", "bentoml_app:Service", "--host", "127.0.0.1", "--port", port]
            return Start(serve, {**variables, **quiet})
        case "echo":
            uvicorn = [sys.executable, "-m", "uvicorn", "echo:app", "--app-dir", str(APPS), "--no-access-log"]
            return Start([*uvicorn, "--host", "127.0.0.1", "--port", port])
    return Start(["{bin}/python", str(APPS / f"{peer.name}_app.py")], variables)


def _mlserver_files(workspace: Path, built: Built, ports: Ports) -> None:
    """Settings of the server and of the model."""
    server = {"debug": False, "host": "127.0.0.1", "parallel_workers": 0, "http_port": ports.http,
              "grpc_port": ports.more[0], "metrics_port": ports.more[1]}  # fmt: skip
    tensors = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, *built.row]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, built.outputs]}],
    }
    model = {"name": built.name, "implementation": "mlserver_app.Runtime", "parameters": {"version": "1"}, **tensors}
    (workspace / "settings.json").write_text(json.dumps(server))
    (workspace / "model-settings.json").write_text(json.dumps(model))
