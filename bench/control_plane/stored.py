"""Figures of an API server that only stores: how fast children come, and what one model waits for.

Nobody acts on the objects, so neither controllers nor pods take CPU from what is compared.
"""

from __future__ import annotations

from pathlib import Path

from bench.control_plane import bursts, pacing
from bench.control_plane.arena import Arena
from bench.control_plane.bursts import Burst
from bench.control_plane.figures import Figures, quantile
from bench.control_plane.load import Client
from bench.control_plane.operators import Operator

# Models a second, and how many.
PACES = ((10, 100), (50, 250))


class Stored:
    """The three bursts and the latency, for one number of models."""

    def __init__(self, figures: Figures, models: int) -> None:
        self._figures, self._models = figures, models
        self.template: bursts.Template = {}

    async def beside(self, found: Arena, folder: Path) -> Burst:
        """A burst beside a running operator; then models that come one by one."""
        async with Client(found.server, found.pki) as client, Client(found.server, found.pki) as second:
            with Operator(*found.kubeconfig(), folder / "operator.log") as operator:
                await operator.quiet()
                cpu = operator.cpu_seconds()
                burst = await bursts.beside((client, second), self._models, served=False)
                await operator.quiet()
                self._add("cpu.per_model_created", (operator.cpu_seconds() - cpu) * 1000 / self._models, "ms")
                self.template = await bursts.template(client)
                for rate, count in PACES:
                    await self._paced(found, (client, second), rate, count)
        return burst

    async def bare(self, found: Arena, _: Path) -> Burst:
        """The same children without an operator."""
        async with Client(found.server, found.pki) as client, Client(found.server, found.pki) as second:
            return await bursts.bare((client, second), self.template, self._models, served=False)

    async def cold(self, found: Arena, folder: Path) -> Burst:
        """An operator that finds all models there, and no children; its own start counts."""
        async with Client(found.server, found.pki) as client, Client(found.server, found.pki) as second:
            await bursts.create(client, self._models)
            with Operator(*found.kubeconfig(), folder / "operator.log") as operator:
                return await bursts.Witness(second, None).burst(self._models, operator.began)

    def compare(self, beside: Burst, bare: Burst, cold: Burst) -> None:
        """Write the three bursts beside each other."""
        self._add("bare.children", bare.all_made, "s")
        for name, burst in (("burst", beside), ("cold", cold)):
            self._add(f"{name}.children", burst.all_made, "s", ("bare.children", bare.all_made))
        for name, burst in (("bare", bare), ("burst", beside), ("cold", cold)):
            self._figures.curve(f"{name}.children", self._models, burst.made)

    async def _paced(self, found: Arena, clients: tuple[Client, Client], rate: int, count: int) -> None:
        latency = await pacing.paced(found, clients, self.template, rate, count)
        for part, name in ((0.5, "p50"), (0.99, "p99")):
            self._add(f"latency.{rate}.{name}", quantile(latency.whole, part) * 1000, "ms")
            self._add(f"latency.{rate}.round_trip.{name}", quantile(latency.bare, part) * 1000, "ms")
            self._add(f"latency.{rate}.beyond.{name}", latency.beyond(part) * 1000, "ms")
        self._figures.curve(f"latency.{rate}", self._models, latency.whole)
        self._figures.curve(f"latency.{rate}.round_trip", self._models, latency.bare)

    def _add(self, figure: str, value: float, unit: str, beside: tuple[str, float] | None = None) -> None:
        self._figures.add(figure, value, unit, models=self._models, beside=beside)
