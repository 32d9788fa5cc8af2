"""The operator as a process that is measured from outside."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from modelyard_local.sockets import free_ports

# The limit that protects other clients of a real API server would be all that is measured here.
FREE = 1_000_000.0


class Operator:
    """The operator as a process, and what it says of itself."""

    def __init__(self, kubeconfig: Path, log: Path, workers: int) -> None:
        self.port = free_ports(1)[0]
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(kubeconfig),
            "MODELYARD_FETCH_IMAGE": "server:1",
            "MODELYARD_HTTP_PORT": str(self.port),
            "MODELYARD_API_QPS": str(FREE),
            "MODELYARD_API_BURST": "1000000",
            "MODELYARD_LOG_LEVEL": "WARNING",
            "MODELYARD_WORKERS": str(workers),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "modelyard_operator"], env=environment, stderr=log.open("ab")
        )

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples with these labels; nothing while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            return 0.0
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    async def until(self, check: Callable[[], bool]) -> None:
        """Wait for something about it to be true."""
        # Seldom enough that answering is no part of what is measured.
        for _ in range(1200):
            if check():
                return
            await asyncio.sleep(0.1)
        raise TimeoutError("the operator does not get there; see its log")

    async def leading(self) -> None:
        """Wait until it leads and is idle."""
        await self.until(lambda: self.metric("modelyard_leader") == 1 and self.metric("modelyard_queue_depth") == 0)

    def end(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait(30)
