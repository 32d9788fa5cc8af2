"""Latency: models that come one after the other, from the answer to a create until the Deployment exists.

A second client sees the Deployment by a watch. The same watch sees the same Deployment applied without an operator at
the same pace: that is one round trip to the API server, which no operator can save, and it is subtracted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.control_plane import children
from bench.control_plane.arena import Arena
from bench.control_plane.bursts import Template
from bench.control_plane.figures import quantile
from bench.control_plane.load import DEPLOYMENTS, MODEL_LABEL, Client, Watch


@dataclass(frozen=True)
class Latency:
    """Seconds of each model, and of the bare applies beside them."""

    whole: list[float]
    bare: list[float]

    def beyond(self, part: float) -> float:
        """A quantile of the latency less the median of a round trip."""
        return quantile(self.whole, part) - quantile(self.bare, 0.5)


async def paced(arena: Arena, clients: tuple[Client, Client], objects: Template, rate: int, count: int) -> Latency:
    """`count` models at `rate` a second, then as many bare applies."""
    client, second = clients
    namespace, alone = f"paced-{rate}", f"bare-{rate}"
    for name in (namespace, alone):
        arena.namespace(name)
    path = DEPLOYMENTS.format("{}")

    async def model(name: str) -> float:
        return await client.create(namespace, name)

    async def bare(name: str) -> float:
        manifest = children.renamed(objects[DEPLOYMENTS], "m0", alone, name)
        # Without the label of managed objects, so that the operator does not look at it.
        manifest["metadata"]["labels"] = {MODEL_LABEL: name}
        began = time.monotonic()
        await client.apply(path.format(alone), manifest)
        return began

    whole = await _measured(Watch(second, path.format(namespace)), model, rate, count)
    return Latency(whole, await _measured(Watch(second, path.format(alone)), bare, rate, count))


async def _measured(watch: Watch, make: Callable[[str], Awaitable[float]], rate: int, count: int) -> list[float]:
    """Seconds from what `make` returns until the watch brings it."""
    await asyncio.sleep(1)
    began = time.monotonic()
    tasks: dict[str, asyncio.Future[float]] = {}
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        name = f"p{number}"
        tasks[name] = asyncio.ensure_future(make(name))
    since = {name: await task for name, task in tasks.items()}
    await watch.until(count, 120)
    await watch.end()
    return [watch.seen[name] - at for name, at in since.items()]
