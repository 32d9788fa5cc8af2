"""The operator beside a bare apply of the same children, on a real etcd and API server, in one run.

    make bench        or        .venv/bin/python -m bench.control_plane --models 200

Prints a table and writes bench/results/control_plane.json. There are no nodes: what is measured is the way from a
ModelDeployment to its Deployment and Service. Both sides send the same objects by server-side apply over TLS, 32 at a
time, through the same client; the ratio is what counts, as the API server shares the machine with both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from bench.control_plane.measured import FREE, Operator

from modelyard_local.controlplane import ControlPlane
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.model_runtime import ModelRuntime
from modelyard_operator.crd import KINDS, document
from modelyard_operator.decide import Observed, decide
from modelyard_operator.kube import credentials, resources
from modelyard_operator.kube.client import Client
from modelyard_operator.kube.throttle import Throttle
from modelyard_operator.kube.transport import Transport
from modelyard_operator.revision import Catalog, Defaults
from modelyard_operator.surroundings import Surroundings

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 32
RUNTIME = {
    "apiVersion": "modelyard.dev/v1alpha1",
    "kind": "ModelRuntime",
    "metadata": {"name": "modelyard-server"},
    "spec": {"image": "server:1", "formats": [{"name": "package"}], "command": ["modelyard-server"]},
}


def model(namespace: str, name: str) -> dict[str, Any]:
    """A ModelDeployment of six lines."""
    return {
        "apiVersion": "modelyard.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": {"uri": f"s3://models/{name}/1"}},
    }


async def spread(work: Iterable[Callable[[], Awaitable[object]]]) -> None:
    """Do all of it, 32 at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(task: Callable[[], Awaitable[object]]) -> None:
        async with gate:
            await task()

    await asyncio.gather(*(one(task) for task in work))


class Bench:
    """One control plane and everything that is measured on it."""

    def __init__(self, plane: ControlPlane, folder: Path, models: int) -> None:
        self._plane, self._folder, self._models = plane, folder, models
        loaded = credentials.load({"KUBECONFIG": str(plane.kubeconfig)})
        self._transport = Transport(loaded, Surroundings())
        self._client = Client(self._transport, Throttle(FREE, 10**6, time.monotonic), lambda: math.inf)

    async def run(self) -> dict[str, Any]:
        """All measurements."""
        self._prepare()
        bare = await self._bare()
        operator = Operator(self._plane.kubeconfig, self._folder / "operator.log", AT_ONCE)
        await operator.leading()
        base = operator.megabytes()
        burst = await self._burst(operator)
        latency = await self._paced(operator)
        grown = operator.megabytes()
        operator.end()
        restart = await self._restart()
        await self._transport.close()
        return {
            "models": self._models,
            "bare_apply_s": bare,
            "operator_burst_s": burst["seconds"],
            "ratio_to_bare_apply": burst["seconds"] / bare,
            "writes_per_model": burst["writes"] / self._models,
            "status_writes_per_model": burst["statuses"] / self._models,
            "cpu_ms_per_model": burst["cpu"] * 1000 / self._models,
            "latency_p50_ms": statistics.median(latency) * 1000,
            "latency_p99_ms": statistics.quantiles(latency, n=100)[98] * 1000,
            "rss_base_mb": base,
            "rss_per_1000_models_mb": (grown - base) * 1000 / (self._models + len(latency)),
            "restart_s": restart["seconds"],
            "restart_writes": restart["writes"],
        }

    def _prepare(self) -> None:
        client = self._plane.client()
        for kind in KINDS:
            path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            client.apply(f"{path}/{kind.plural}.modelyard.dev", document(kind))
        for name in ("bare", "burst", "paced"):
            client.apply(
                f"/api/v1/namespaces/{name}", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                client.apply("/apis/modelyard.dev/v1alpha1/modelruntimes/modelyard-server", RUNTIME)
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    async def _bare(self) -> float:
        """Seconds that a client needs which already knows what to apply."""
        runtime = msgspec.convert(RUNTIME, ModelRuntime)
        catalog = Catalog({"modelyard-server": runtime}, {}, [])
        manifests = []
        for number in range(self._models):
            body = model("bare", f"m{number}")
            body["metadata"]["uid"] = f"00000000-0000-0000-0000-{number:012d}"
            found = decide(
                msgspec.convert(body, ModelDeployment), Observed(), catalog, Defaults(fetch_image="server:1")
            )
            manifests += found.apply
        began = time.monotonic()
        await spread(partial(self._client.apply, resources.WRITTEN[one["kind"]], one, "bench") for one in manifests)
        return time.monotonic() - began

    async def _create(self, namespace: str, name: str) -> None:
        await self._client.apply(resources.MODEL_DEPLOYMENTS, model(namespace, name), "bench")

    async def _burst(self, operator: Operator) -> dict[str, float]:
        began, cpu = time.monotonic(), operator.cpu_seconds()
        await spread(partial(self._create, "burst", f"m{number}") for number in range(self._models))
        wanted = float(self._models)
        await operator.until(lambda: operator.metric("modelyard_api_writes_total", kind="Deployment") >= wanted)
        seconds = time.monotonic() - began
        await operator.until(lambda: operator.metric("modelyard_api_writes_total", reason="status") >= wanted)
        await operator.leading()
        return {
            "seconds": seconds,
            "cpu": operator.cpu_seconds() - cpu,
            "writes": operator.metric("modelyard_api_writes_total"),
            "statuses": operator.metric("modelyard_api_writes_total", reason="status"),
        }

    async def _paced(self, operator: Operator) -> list[float]:
        """Seconds from the answer to a create until the Deployment exists, one model at a time."""
        found: list[float] = []
        for number in range(40):
            name = f"m{number}"
            await self._create("paced", name)
            began = time.monotonic()
            while not await self._has_deployment(name):  # noqa: ASYNC110 - the API server has no event for us here
                await asyncio.sleep(0.001)
            found.append(time.monotonic() - began)
            await asyncio.sleep(0.1)
        await operator.leading()
        return found

    async def _has_deployment(self, name: str) -> bool:
        path = f"/apis/apps/v1/namespaces/paced/deployments?labelSelector=modelyard.dev/model={name}"
        return bool((await asyncio.to_thread(self._plane.client().get, path) or {})["items"])

    async def _restart(self) -> dict[str, float]:
        began = time.monotonic()
        operator = Operator(self._plane.kubeconfig, self._folder / "operator.log", AT_ONCE)
        wanted = self._models + 40
        await operator.until(lambda: operator.metric("modelyard_reconcile_total", result="ok") >= wanted)
        await operator.leading()
        seconds, writes = time.monotonic() - began, operator.metric("modelyard_api_writes_total")
        operator.end()
        return {"seconds": seconds, "writes": writes}


async def measured(plane: ControlPlane, folder: Path, models: int) -> dict[str, Any]:
    """All figures. Connections belong to a running loop, so the bench is made inside one."""
    return await Bench(plane, folder, models).run()


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Measure the operator beside a bare apply.")
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--out", type=Path, default=ROOT / "bench/results/control_plane.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ControlPlane(Path(folder) / "plane") as plane:
        figures = asyncio.run(measured(plane, Path(folder), arguments.models))
    machine = {"python": platform.python_version(), "cpus": os.cpu_count(), "system": platform.platform()}
    result = {"date": datetime.now(UTC).date().isoformat(), "machine": machine, "figures": figures}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    for name, value in figures.items():
        print(f"{name:26} {value:10.2f}")


if __name__ == "__main__":
    main()
