"""What an operator costs when nobody asks it for anything new: foreign changes, a restart, a fail-over."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench.control_plane.arena import Arena
from bench.control_plane.bare_watch import watching
from bench.control_plane.bursts import NAMESPACE
from bench.control_plane.load import DEPLOYMENTS, PODS, STRATEGIC, Client, Watch, spread
from bench.control_plane.operators import Operator, cpu_seconds


@dataclass(frozen=True)
class Cost:
    """Seconds, CPU seconds, reads, writes and memory of one operator; CPU of a bare watch of the same."""

    seconds: float
    cpu: float
    reads: int
    writes: int
    megabytes: float
    bare_cpu: float = 0.0


async def flaps(arena: Arena, client: Client, operator: Operator, count: int) -> Cost:
    """Change the status of Deployments and pods `count` times in ways that say nothing about the model."""
    paths = [
        f"{path.format(NAMESPACE)}/{one.metadata.name}/status"
        for path in (DEPLOYMENTS, PODS)
        for one in await client.items(path.format(NAMESPACE))
    ]
    await operator.quiet()
    arena.forget_requests()

    async def flap(number: int) -> None:
        status = "True" if number // len(paths) % 2 else "False"
        condition = {"type": "bench.modelyard.dev/flap", "status": status, "message": str(number)}
        path = paths[number % len(paths)]
        await client.send("PATCH", path, {"status": {"conditions": [condition]}}, STRATEGIC)

    with watching(arena.server, arena.pki, [path.format(NAMESPACE) for path in (DEPLOYMENTS, PODS)]) as bare:
        await asyncio.sleep(1)  # it is told first what there is
        began, cpu, bare_cpu = time.monotonic(), operator.cpu_seconds(), cpu_seconds(bare)
        await spread(partial(flap, number) for number in range(count))
        ended = await operator.quiet()
        cost = _cost(arena, operator, began, ended, cpu)
        return replace(cost, bare_cpu=cpu_seconds(bare) - bare_cpu)


async def restart(arena: Arena, folder: Path) -> Cost:
    """Start an operator where everything is as it should be."""
    arena.forget_requests()
    with _started(arena, folder) as operator:
        await arena.led()
        ended = await operator.quiet()
        cost = _cost(arena, operator, operator.began, ended, 0.0)
        return replace(cost, megabytes=await operator.at_rest())


async def fail_over(arena: Arena, clients: tuple[Client, Client], folder: Path, number: signal.Signals) -> float:
    """Seconds from a signal to the leader until the standby has made the Deployment of a new model."""
    client, second = clients
    namespace = f"after-{number.name.lower()}"
    arena.namespace(namespace)
    with _started(arena, folder) as leader:
        await arena.led()
        await leader.quiet()
        with _started(arena, folder) as standby:
            await standby.quiet()
            watch = Watch(second, DEPLOYMENTS.format(namespace))
            await asyncio.sleep(0.5)
            began = time.monotonic()
            leader.process.send_signal(number)
            await client.create(namespace, "next")
            found = await watch.until(1, 120) - began
            await watch.end()
    return found


def _started(arena: Arena, folder: Path) -> Operator:
    return Operator(*arena.kubeconfig(), folder / "operator.log")


def _cost(arena: Arena, operator: Operator, began: float, ended: float, cpu: float) -> Cost:
    found = arena.requests(operator.credential)
    writes = sum(count for (_, _, is_write), count in found.items() if is_write)
    spent = operator.cpu_seconds() - cpu
    return Cost(ended - began, spent, found.total() - writes, writes, operator.megabytes())
