"""wrk in a closed loop over loopback."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.model_server.bodies import Body
from bench.model_server.processes import Server


@dataclass(frozen=True)
class Loaded:
    """What one run of wrk saw, and what it cost the server."""

    rps: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_us: float
    """Of the server's processes, per request."""


def run(server: Server, path: str, body: Body, connections: int, seconds: int, folder: Path) -> Loaded:
    """Measure for some seconds."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("wrk is missing: install the package wrk")
    (folder / "body").write_bytes(body.content)
    headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in body.headers.items())
    script = folder / "post.lua"
    script.write_text(f'wrk.method = "POST"\n{headers}\nwrk.body = io.open("{folder / "body"}", "rb"):read("*a")\n')
    url = f"http://127.0.0.1:{server.port}{path}"
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency", "-s", str(script), url]
    before = server.cpu()
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cost = server.cpu() - before
    requests = int(_find(r"(\d+) requests in", text))
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    errors = int(_find(r"Non-2xx or 3xx responses: (\d+)", text, "0"))
    return Loaded(
        rps=float(_find(r"Requests/sec:\s+([\d.]+)", text)),
        p50_ms=_milliseconds(_find(r"(?m)^\s+50%\s+(\S+)", text)),
        p99_ms=_milliseconds(_find(r"(?m)^\s+99%\s+(\S+)", text)),
        errors=errors + (sum(map(int, broken.groups())) if broken else 0),
        cpu_us=cost / max(requests, 1) * 1e6,
    )


def _find(pattern: str, text: str, default: str | None = None) -> str:
    found = re.search(pattern, text)
    if found is None and default is None:
        raise RuntimeError(f"wrk said nothing like {pattern}:\n{text}")
    return found[1] if found else str(default)


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[unit]
