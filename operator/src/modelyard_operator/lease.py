"""Leadership by a Lease: one operator writes, the others stand by with warm caches.

The holder counts itself leader only until `renewed + duration - margin` on its own monotonic clock, and a candidate
waits a whole duration of its own clock since it last saw the Lease change. So no clock has to agree with another, and a
process that was stopped for a while notices before its next write.
Source: k8s.io/client-go/tools/leaderelection.
"""

import asyncio
import logging

import msgspec
from msgspec import Struct

from . import metrics
from .api.objects import ObjectMeta
from .kube.errors import ApiError, ConflictError, NotFoundError
from .kube.transport import Request, Transport
from .surroundings import Surroundings

logger = logging.getLogger(__name__)

# The part of a lease in which the holder does not count on it any more: clocks do not run at quite the same speed.
MARGIN_RATIO = 0.1
# It is renewed so often, and an attempt may last so long: one lost packet must not cost the lease.
ATTEMPT_RATIO = 0.2
# The holder tries again so soon after an attempt that failed, give or take a half. A standby has time.
RETRY_RATIO = 0.05


class LeaseSpec(Struct, rename="camel", omit_defaults=True):
    """Who leads, since when, for how long."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int = 0


class Lease(Struct, rename="camel"):
    """The Lease object."""

    metadata: ObjectMeta
    spec: LeaseSpec


class Leadership:
    """Acquires and renews one Lease."""

    def __init__(
        self,
        transport: Transport,
        namespace: str,
        name: str,
        identity: str,
        duration: float,
        surroundings: Surroundings,
    ) -> None:
        self._transport = transport
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._namespace, self._name = namespace, name
        self._identity = identity
        self._duration = duration
        self._clock, self._wall, self._chance = surroundings.clock, surroundings.wall, surroundings.chance
        self._valid_until = float("-inf")
        self._seen_version = ""
        self._seen_at = self._clock()
        self.acquired = asyncio.Event()

    def held(self) -> bool:
        """Whether this process may write now."""
        return self.remaining() > 0

    def remaining(self) -> float:
        """Seconds for which it may: a write must have ended by then."""
        return self._valid_until - self._clock()

    async def run(self) -> None:
        """Hold the lease for as long as possible; return when it was lost after it was held."""
        while True:
            failed = not await self._attempt()
            metrics.LEADER.set(self.held())
            if self.held():
                if not self.acquired.is_set():
                    logger.info("leading as %s", self._identity)
                self.acquired.set()
            elif self.acquired.is_set():
                logger.error("lost the lease %s/%s", self._namespace, self._name)
                return
            ratio = RETRY_RATIO * (0.5 + self._chance()) if failed and self.held() else ATTEMPT_RATIO
            await asyncio.sleep(self._duration * ratio)

    async def release(self) -> None:
        """Let a standby take over at once, rather than after a whole duration."""
        if not self.held():
            return
        self._valid_until = float("-inf")
        metrics.LEADER.set(0)
        try:
            lease = await self._read()
            if lease is not None and lease.spec.holder_identity == self._identity:
                await self._write(lease, holder="")
        except ApiError as error:
            logger.warning("could not release the lease: %s", error)

    async def _attempt(self) -> bool:
        """Take or renew the lease, unless somebody else holds it; False when that failed."""
        started = self._clock()
        try:
            lease = await self._read()
            if lease is None:
                await self._create()
            elif not self._may_take(lease):
                return True
            else:
                await self._write(lease, holder=self._identity)
        except ConflictError:
            return False
        except ApiError as error:
            logger.warning("lease %s/%s: %s", self._namespace, self._name, error)
            return False
        self._valid_until = started + self._duration * (1 - MARGIN_RATIO)
        return True

    def _may_take(self, lease: Lease) -> bool:
        if lease.metadata.resource_version != self._seen_version:
            self._seen_version, self._seen_at = lease.metadata.resource_version, self._clock()
        holder = lease.spec.holder_identity
        return not holder or holder == self._identity or self._clock() - self._seen_at > self._duration

    async def _read(self) -> Lease | None:
        try:
            return msgspec.json.decode(await self._send("GET", f"{self._path}/{self._name}"), type=Lease)
        except NotFoundError:
            return None

    async def _create(self) -> None:
        spec = self._spec(self._identity, transitions=0, acquired=self._now())
        await self._send("POST", self._path, self._body(spec, version=""))

    async def _write(self, lease: Lease, holder: str) -> None:
        new = lease.spec.holder_identity != holder
        acquired = self._now() if new else lease.spec.acquire_time or self._now()
        spec = self._spec(holder, lease.spec.lease_transitions + (1 if new and holder else 0), acquired)
        body = self._body(spec, lease.metadata.resource_version)
        await self._send("PUT", f"{self._path}/{self._name}", body)

    async def _send(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = Request(method, "leases", path, body, "application/json" if body else "")
        return await self._transport.send(request, lambda: self._duration * ATTEMPT_RATIO, urgent=True)

    def _spec(self, holder: str, transitions: int, acquired: str) -> LeaseSpec:
        return LeaseSpec(
            holder_identity=holder,
            lease_duration_seconds=max(1, int(self._duration)),
            acquire_time=acquired,
            renew_time=self._now(),
            lease_transitions=transitions,
        )

    def _body(self, spec: LeaseSpec, version: str) -> bytes:
        metadata = {"name": self._name, "namespace": self._namespace}
        if version:
            metadata["resourceVersion"] = version
        document = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        return msgspec.json.encode(document)

    def _now(self) -> str:
        return self._wall().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
