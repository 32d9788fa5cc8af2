"""wrk within the network, in a closed loop, and what it cost the gateway's processes."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from integration.gateway.netns import Network

BODY = '{"inputs":[{"name":"pixels","datatype":"FP32","shape":[1,64],"data":[' + ",".join(["0.5"] * 64) + "]}]}"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Loaded:
    """What one run saw."""

    rps: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int
    cpu_us: dict[str, float]  # of each process, per request


def load(
    network: Network, url: str, connections: int, seconds: int, folder: Path, script: str = ""
) -> subprocess.Popen[str]:
    """Begin; `script` is Lua that says more of the requests."""
    lines = ['wrk.method = "POST"', f"wrk.body = '{BODY}'", 'wrk.headers["content-type"] = "application/json"', script]
    path = folder / f"wrk-{connections}.lua"
    path.write_text("\n".join(lines))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", "-s", str(path), url]
    return subprocess.Popen(network.command(*command), stdout=subprocess.PIPE, text=True)


def bearer(token: str) -> str:
    """Lua that shows a token."""
    return f'wrk.headers["authorization"] = "Bearer {token}"'


def result(running: subprocess.Popen[str], processes: dict[str, int]) -> Loaded:
    """Wait for its end; `processes` are pids by name."""
    before = {name: _cpu(pid) for name, pid in processes.items()}
    text, _ = running.communicate()
    if running.returncode:
        raise RuntimeError(f"wrk ended with {running.returncode}: {text}")
    requests = int(_find(r"(\d+) requests in", text))
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return Loaded(
        rps=float(_find(r"Requests/sec:\s+([\d.]+)", text)),
        p50_ms=_milliseconds(_find(r"(?m)^\s+50%\s+(\S+)", text)),
        p99_ms=_milliseconds(_find(r"(?m)^\s+99%\s+(\S+)", text)),
        refused=int(_find(r"Non-2xx or 3xx responses: (\d+)", text, "0")),
        broken=sum(map(int, broken.groups())) if broken else 0,
        cpu_us={name: (_cpu(pid) - before[name]) * 1e6 / max(requests, 1) for name, pid in processes.items()},
    )


def _cpu(pid: int) -> float:
    """CPU seconds of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def megabytes(pid: int) -> float:
    """Resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def pids(folder: Path) -> dict[str, int]:
    """The gateway's two processes, by what they were told about this folder."""
    told, found = f"MODELYARD_GATEWAY_FOLDER={folder}".encode(), {}
    for one in Path("/proc").glob("[0-9]*"):
        try:
            if told in (one / "environ").read_bytes().split(b"\0"):
                envoy = (one / "comm").read_text().startswith("envoy")
                found["envoy" if envoy else "process"] = int(one.name)
        except OSError:
            continue  # it ended meanwhile
    return found


def _find(pattern: str, text: str, default: str | None = None) -> str:
    found = re.search(pattern, text)
    if found is None and default is None:
        raise RuntimeError(f"wrk said nothing like {pattern}:\n{text}")
    return found[1] if found else str(default)


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[unit]
