"""Many models at once. Three ways: beside a running operator, before it is started, and their children without one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.control_plane import children
from bench.control_plane.load import (
    DEPLOYMENTS,
    MODELS,
    SERVICES,
    Client,
    Seen,
    Watch,
    exists,
    is_available,
    is_ready,
    spread,
)

NAMESPACE = "burst"
Template = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Burst:
    """Seconds since the first request, for each model: its children exist, and it serves where anything can."""

    made: list[float]
    served: list[float]

    @property
    def all_made(self) -> float:
        """Until the last Deployment and the last Service exist."""
        return max(self.made)

    @property
    def all_served(self) -> float:
        """Until the last model is Ready; without an operator, until the last Deployment has its replica."""
        return max(self.served)


class Witness:
    """Watches Deployments, Services and, with `served`, what tells that a model serves."""

    def __init__(self, client: Client, served: tuple[str, Callable[[Seen], bool]] | None) -> None:
        self._deployments = Watch(client, DEPLOYMENTS.format(NAMESPACE), exists)
        self._services = Watch(client, SERVICES.format(NAMESPACE), exists)
        self._served = Watch(client, *served) if served else None

    async def burst(self, count: int, began: float) -> Burst:
        """Wait until so many have all of it; their times since `began`."""
        watches = [self._deployments, self._services, *([self._served] if self._served else [])]
        for watch in watches:
            await watch.until(count)
            await watch.end()
        services = self._services.seen
        made = [max(at, services[name]) - began for name, at in self._deployments.seen.items()]
        return Burst(made, [at - began for at in self._served.seen.values()] if self._served else [])


READY = (MODELS.format(NAMESPACE), is_ready)
AVAILABLE = (DEPLOYMENTS.format(NAMESPACE), is_available)


async def create(client: Client, models: int) -> None:
    """Create models, 32 at a time."""
    await spread(partial(client.create, NAMESPACE, f"m{number}") for number in range(models))


async def beside(clients: tuple[Client, Client], models: int, *, served: bool) -> Burst:
    """Models are created while the operator runs."""
    client, second = clients
    witness = Witness(second, READY if served else None)
    await asyncio.sleep(1)
    began = time.monotonic()
    await create(client, models)
    return await witness.burst(models, began)


async def template(client: Client, name: str = "m0") -> Template:
    """Deployment and Service of one model, as the operator asked for them, by the path of their collection."""
    found: Template = {}
    for path in (SERVICES, DEPLOYMENTS):
        listed = json.loads(
            await client.send("GET", f"{path.format(NAMESPACE)}?labelSelector=modelyard.dev/model={name}")
        )
        kind = {SERVICES: ("v1", "Service"), DEPLOYMENTS: ("apps/v1", "Deployment")}[path]
        [live] = listed["items"]
        found[path] = children.manifest({"apiVersion": kind[0], "kind": kind[1], **live})
    return found


async def bare(clients: tuple[Client, Client], objects: Template, models: int, *, served: bool) -> Burst:
    """The same children applied by a client that already knows them, 32 at a time."""
    client, second = clients
    witness = Witness(second, AVAILABLE if served else None)
    await asyncio.sleep(1)
    work = [
        partial(client.apply, path.format(NAMESPACE), children.renamed(one, "m0", NAMESPACE, f"m{number}"))
        for number in range(models)
        for path, one in objects.items()
    ]
    began = time.monotonic()
    await spread(work)
    return await witness.burst(models, began)
