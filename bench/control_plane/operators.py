"""Operator processes, measured from outside."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType

from modelyard_local.sockets import free_ports
from modelyard_operator import heap

# The limit that protects other clients of an API server would be all that is measured here.
SETTINGS = {"MODELYARD_API_QPS": "1000000", "MODELYARD_API_BURST": "1000000", "MODELYARD_WORKERS": "32"}
QUIET_SHARE = 0.05
QUIET_SECONDS = 1.0


class Operator:
    """One operator process, named `credential` in the audit log."""

    def __init__(self, kubeconfig: Path, credential: str, log: Path) -> None:
        self.credential = credential
        self.port = free_ports(1)[0]
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(kubeconfig),
            "POD_NAMESPACE": "modelyard-system",
            "MODELYARD_FETCH_IMAGE": "registry.example/modelyard/model-server:1",
            "MODELYARD_HTTP_PORT": str(self.port),
            "MODELYARD_LOG_LEVEL": "WARNING",
            **SETTINGS,
        }
        self.began = time.monotonic()
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "modelyard_operator"], env=environment, stderr=output
            )

    def __enter__(self) -> Operator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        return cpu_seconds(self.process.pid)

    async def at_rest(self) -> float:
        """Resident memory in MB once it has given back what its last work took."""
        await self.quiet()
        await asyncio.sleep(2.5 * heap.REST_SECONDS)
        return self.megabytes()

    def megabytes(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    async def ready(self) -> float:
        """Wait until it knows all objects; seconds since its start."""
        while not await asyncio.to_thread(self._is_ready):
            if self.process.poll() is not None:
                raise RuntimeError(f"the operator ended with exit code {self.process.returncode}; see its log")
            await asyncio.sleep(0.02)
        return time.monotonic() - self.began

    async def quiet(self, seconds: float = 600) -> float:
        """Wait until it is ready and has used next to no CPU for a second; the time at which that second began.

        Its own word is not asked: a queue can be empty while an answer is still being read.
        """
        await self.ready()
        deadline = time.monotonic() + seconds
        since, used = time.monotonic(), self.cpu_seconds()
        while time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            now, cpu = time.monotonic(), self.cpu_seconds()
            if cpu - used > QUIET_SHARE * QUIET_SECONDS:
                since, used = now, cpu
            elif now - since >= QUIET_SECONDS:
                return since
        raise TimeoutError(f"the operator is busy after {seconds:.0f} s")

    def end(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal and wait for its end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(60)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
