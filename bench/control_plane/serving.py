"""Figures of a whole control plane with nodes: until models are Ready, and what they cost from then on."""

from __future__ import annotations

import signal
from pathlib import Path

from bench.control_plane import bursts, steady
from bench.control_plane.arena import Arena
from bench.control_plane.bursts import Burst
from bench.control_plane.figures import Figures
from bench.control_plane.load import Client
from bench.control_plane.operators import Operator

FLAPS = 10_000
# With fewer, what Python itself takes while it works hides what a model takes.
MODELS_FOR_MEMORY = 1000


class Serving:
    """All measurements for one number of models; `once` adds those for which one number is enough."""

    def __init__(self, figures: Figures, models: int, *, once: bool) -> None:
        self._figures, self._models, self._once = figures, models, once
        self._base = 0.0

    async def beside(self, found: Arena, folder: Path) -> Burst:
        """A burst beside a running operator, and what can be measured once its models are there."""
        async with Client(found.server, found.pki) as client, Client(found.server, found.pki) as second:
            with Operator(*found.kubeconfig(), folder / "operator.log") as operator:
                await operator.quiet()
                self._base = operator.megabytes()
                self._add("memory.base", self._base, "MB")
                burst = await self._burst(found, (client, second), operator)
                if self._once:
                    await self._flaps(found, client, operator)
            await self._restart(found, folder)
            if self._once:
                for number, name in ((signal.SIGTERM, "handover"), (signal.SIGKILL, "failover")):
                    seconds = await steady.fail_over(found, (client, second), folder, number)
                    self._add(f"{name}.s", seconds, "s")
        return burst

    async def bare(self, found: Arena, _: Path, template: bursts.Template) -> Burst:
        """The same children without an operator."""
        async with Client(found.server, found.pki) as client, Client(found.server, found.pki) as second:
            return await bursts.bare((client, second), template, self._models, served=True)

    def compare(self, beside: Burst, bare: Burst) -> None:
        """Write the two bursts beside each other."""
        self._add("bare.available", bare.all_served, "s")
        self._add("burst.ready", beside.all_served, "s", ("bare.available", bare.all_served))

    async def _burst(self, found: Arena, clients: tuple[Client, Client], operator: Operator) -> Burst:
        found.forget_requests()
        cpu = operator.cpu_seconds()
        burst = await bursts.beside(clients, self._models, served=True)
        await operator.quiet()
        self._add("cpu.per_model", (operator.cpu_seconds() - cpu) * 1000 / self._models, "ms")
        self._memory("memory", await operator.at_rest())
        self._requests(found, operator)
        return burst

    def _requests(self, found: Arena, operator: Operator) -> None:
        requests = found.requests(operator.credential)
        for (verb, resource, writes), count in sorted(requests.items()):
            name = f"{'writes' if writes else 'reads'}.{verb}.{resource}"
            self._add(name, count / self._models, "per model")
        for name, kind in (("writes", True), ("reads", False)):
            total = sum(count for (_, _, writes), count in requests.items() if writes is kind)
            self._add(f"{name}.per_model", total / self._models, "per model")

    async def _flaps(self, found: Arena, client: Client, operator: Operator) -> None:
        cost = await steady.flaps(found, client, operator, FLAPS)
        bare = cost.bare_cpu * 1000 / FLAPS
        self._add("flaps.bare_watch.cpu", bare, "ms per event")
        self._add("flaps.cpu", cost.cpu * 1000 / FLAPS, "ms per event", ("flaps.bare_watch.cpu", bare))
        self._add("flaps.writes", cost.writes, "requests")

    async def _restart(self, found: Arena, folder: Path) -> None:
        cost = await steady.restart(found, folder)
        self._add("restart.quiet", cost.seconds, "s")
        self._add("restart.cpu", cost.cpu, "s")
        self._add("restart.writes", cost.writes, "requests")
        self._add("restart.reads", cost.reads, "requests")
        self._memory("memory.restarted", cost.megabytes)

    def _memory(self, name: str, megabytes: float) -> None:
        """At rest, after a burst and after a restart."""
        self._add(f"{name}.with_models", megabytes, "MB")
        if self._models >= MODELS_FOR_MEMORY:
            self._add(f"{name}.per_1000_models", (megabytes - self._base) * 1000 / self._models, "MB")

    def _add(self, figure: str, value: float, unit: str, beside: tuple[str, float] | None = None) -> None:
        self._figures.add(figure, value, unit, models=self._models, beside=beside)
