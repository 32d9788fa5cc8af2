"""InferenceKeys and what they used, wired: the ring of keys, their limits, their ledger, and Envoy's lines."""

import asyncio
import socket as network
from collections.abc import Callable

from modelyard_operator.kube.client import Client
from modelyard_operator.kube.throttle import Throttle
from modelyard_operator.kube.transport import REQUEST_SECONDS, Transport
from modelyard_operator.surroundings import Surroundings

from . import metrics
from .envoy.usage import usage_file
from .keys.gatekeeper import Gatekeeper
from .keys.limits import Limits, OwnLimits, SharedLimits
from .keys.ring import KeyRing
from .settings import Settings
from .usage.counting import Counting
from .usage.file import UsageFile
from .usage.ledger import Ledger

# What was used may wait; whoever else writes to the API server shall not.
WRITES_PER_SECOND = 20.0


class Accounts:
    """What the process needs of keys: `ring` is for a watch, `gatekeeper` for the authorizer."""

    def __init__(self, settings: Settings, transport: Transport, surroundings: Surroundings) -> None:
        clock = surroundings.clock
        self._limits = _limits(settings.limits_url, clock)
        self.ring = KeyRing(self._limits.forget)
        pod = settings.pod_name or f"{network.gethostname()}-{int(surroundings.chance() * 10**6):06d}"
        client = Client(transport, Throttle(WRITES_PER_SECOND, 50, clock), lambda: REQUEST_SECONDS)
        ledger = Ledger(self.ring.keys, client, pod)
        self.gatekeeper = Gatekeeper(self.ring, self._limits, ledger, lambda: surroundings.wall().timestamp())
        self._counting = Counting(
            UsageFile(usage_file(settings.folder)), ledger, self._limits, settings.usage_seconds, clock
        )

    async def run(self, known: asyncio.Event) -> None:
        """Count until cancelled, from when all keys are known."""
        await known.wait()
        metrics.KEYS.set_function(lambda: len(self.ring.keys))
        await self._counting.run()

    async def end(self) -> None:
        """Write what is left."""
        await self._counting.end()
        await self._limits.close()


def _limits(url: str, clock: Callable[[], float]) -> Limits:
    return SharedLimits(url, clock) if url else OwnLimits(clock)
