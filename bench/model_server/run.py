"""Measure the model server: requests per second, latency, CPU per request, memory and start time."""

import argparse
import http.client
import json
import os
import platform
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import save_file

from modelyard_server.engines import torch_networks
from modelyard_server.package import files, parse
from modelyard_server.package.card import Mlp, ModelCard, TensorSpec

HERE = Path(__file__).parent
CONNECTIONS = (1, 16, 64)
TICKS = os.sysconf("SC_CLK_TCK")


class Load(msgspec.Struct, frozen=True):
    """One body against one path."""

    name: str
    path: str
    body: bytes
    headers: dict[str, str]


class Server(msgspec.Struct, frozen=True):
    """A running process."""

    port: int
    pid: int
    ready_seconds: float


def main() -> None:
    """Run all loads and write the result."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, default=Path("model-server.json"))
    arguments.add_argument("--seconds", type=int, default=5, help="per measurement")
    options = arguments.parse_args()
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        echo = [
            sys.executable,
            "-m",
            "uvicorn",
            "echo:app",
            "--app-dir",
            str(HERE),
            "--no-access-log",
            "--port",
            "{port}",
        ]
        loads = _mlp_loads()
        results += _measure("echo before", echo, [loads[0]], options.seconds, root)
        package = _mlp_package(root / "mlp")
        server = [
            sys.executable,
            "-m",
            "modelyard_server",
            "--model",
            str(package),
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
        ]
        results += _measure("modelyard-server", server, loads, options.seconds, root)
        results += _measure("echo after", echo, [loads[0]], options.seconds, root)
    options.out.write_text(json.dumps({"machine": _machine(), "results": results}, indent=1) + "\n")


def _mlp_package(root: Path) -> Path:
    """784-128-10, the model of the targets."""
    root.mkdir()
    architecture = Mlp(layers=(784, 128, 10))
    torch.manual_seed(0)
    save_file(dict(torch_networks.build(architecture).state_dict()), root / "model.safetensors")
    card = ModelCard(
        name="mlp",
        version="1",
        format="torch",
        inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 784)),),
        outputs=(TensorSpec(name="y", datatype="FP32", shape=(-1, 10)),),
        architecture=architecture,
    )
    (root / parse.FILE).write_bytes(parse.encode(card))
    files.seal(root)
    return root


def _mlp_loads() -> list[Load]:
    values = [round(index * 7 % 100 / 100, 4) for index in range(784)]
    tensor: dict[str, Any] = {"name": "x", "shape": [1, 784], "datatype": "FP32"}
    text = json.dumps({"inputs": [{**tensor, "data": values}]}).encode()
    size = {"parameters": {"binary_data_size": 4 * 784}}
    head = json.dumps({"inputs": [{**tensor, **size}], "parameters": {"binary_data_output": True}}).encode()
    path = "/v2/models/mlp/infer"
    binary = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
    return [
        Load("json", path, text, {"Content-Type": "application/json"}),
        Load("binary", path, head + struct.pack("<784f", *values), binary),
    ]


def _measure(
    name: str, command: Sequence[str], loads: Sequence[Load], seconds: int, root: Path
) -> list[dict[str, Any]]:
    rows = []
    with _running(command) as server:
        for load in loads:
            for connections in CONNECTIONS:
                _wrk(server, load, connections, 1, root)
                row = _wrk(server, load, connections, seconds, root)
                row |= {"server": name, "load": load.name, "connections": connections}
                row |= {"rss_mb": _rss(server.pid), "ready_s": round(server.ready_seconds, 2)}
                rows.append(row)
                print(json.dumps(row), flush=True)
    return rows


@contextmanager
def _running(command: Sequence[str]) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    started = time.monotonic()
    process = subprocess.Popen(
        [part.format(port=port) for part in command], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        while not _is_ready(port):
            if process.poll() is not None or time.monotonic() - started > 120:
                raise SystemExit(f"{command} did not become ready")
            time.sleep(0.05)
        yield Server(port, process.pid, time.monotonic() - started)
    finally:
        process.terminate()
        process.wait(20)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _wrk(server: Server, load: Load, connections: int, seconds: int, root: Path) -> dict[str, Any]:
    body = root / "body"
    body.write_bytes(load.body)
    headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in load.headers.items())
    script = root / "post.lua"
    script.write_text(f'wrk.method = "POST"\n{headers}\nwrk.body = io.open("{body}", "rb"):read("*a")\n')
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("wrk is missing; it is a package of Debian")
    before = _cpu(server.pid)
    url = f"http://127.0.0.1:{server.port}{load.path}"
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    requests = int(_find(r"(\d+) requests in", text))
    return {
        "rps": round(float(_find(r"Requests/sec:\s+([\d.]+)", text))),
        "p50_ms": _milliseconds(_find(r"(?m)^\s+50%\s+(\S+)", text)),
        "p99_ms": _milliseconds(_find(r"(?m)^\s+99%\s+(\S+)", text)),
        "errors": int(_find(r"Non-2xx or 3xx responses: (\d+)", text, "0")),
        "cpu_us": round((_cpu(server.pid) - before) / max(requests, 1) * 1e6),
        "load_average": round(os.getloadavg()[0], 1),
    }


def _find(pattern: str, text: str, default: str | None = None) -> str:
    found = re.search(pattern, text)
    if found is None and default is None:
        raise SystemExit(f"wrk said nothing like {pattern}:\n{text}")
    return found[1] if found else str(default)


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return round(float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit], 3)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _rss(pid: int) -> int:
    return int(_find(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())) // 1024


def _machine() -> dict[str, Any]:
    model = _find(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(), "unknown")
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    return {"cpu": model, "cores": os.cpu_count(), "date": datetime.now(UTC).isoformat(timespec="seconds"), **versions}


if __name__ == "__main__":
    main()
