"""What keys used and no status says yet; writes it there, now and then.

Several gateways add to one status. Each write holds the version that it was computed from, so none is lost; and it says
who wrote it, so that an answer that was lost on its way is known by the status itself.
"""

import logging
from datetime import UTC, datetime

import msgspec

from modelyard_gateway import metrics
from modelyard_operator.api.inference_key import InferenceKey, Period, period_start, spent
from modelyard_operator.cache import Key, Store, key_of
from modelyard_operator.kube.client import Client
from modelyard_operator.kube.errors import ApiError, ConflictError, NotFoundError
from modelyard_operator.kube.resources import INFERENCE_KEYS

from .line import Sample
from .tallies import Pending, written

logger = logging.getLogger(__name__)

TRIES = 5


class _Flight(msgspec.Struct):
    """A write that is under way."""

    writer: str
    pending: Pending


class Ledger:
    """Open accounts by InferenceKey. `pod` and `position` name a write, so that a restart knows what it holds."""

    def __init__(self, keys: Store, client: Client, pod: str) -> None:
        self._keys = keys
        self._client = client
        self._pod = pod
        self._open: dict[Key, Pending] = {}
        self._flights: dict[Key, _Flight] = {}

    def note(self, sample: Sample, position: int) -> InferenceKey | None:
        """Add what a request used; its InferenceKey, unless it is gone, or its status says so already."""
        if sample.key is None:
            return None
        found: InferenceKey | None = self._keys.get(*sample.key)
        if found is None or position <= self._held(found):
            return None
        now = _time(sample.began + sample.used.milliseconds // 1000)
        since = period_start(_period(found), now)
        self._open.setdefault(sample.key, Pending()).add(since, (sample.model, sample.revision), sample.used, now)
        return found

    def spent(self, key: InferenceKey, period: Period, now: str) -> int:
        """Tokens of this period: what the status says and what is not in it yet."""
        where = key_of(key.metadata)
        since = period_start(period, now)
        found = spent(key.status.usage, period, now)
        flight = self._flights.get(where)
        if flight and key.status.usage.writer != flight.writer and flight.pending.since == since:
            found += flight.pending.period.tokens
        pending = self._open.get(where)
        return found + (pending.period.tokens if pending and pending.since == since else 0)

    async def flush(self, position: int) -> bool:
        """Write what is open; whether all of it is in the statuses now. Lines up to `position` were noted."""
        done = [await self._flush(where, position) for where in list(self._open)]
        metrics.USAGE_OPEN.set(len(self._open))
        return all(done)

    async def _flush(self, where: Key, position: int) -> bool:
        pending = self._open.pop(where)
        writer = f"{self._pod}/{position}"
        self._flights[where] = _Flight(writer, pending)
        try:
            await self._write(where, pending, writer)
        except ApiError as error:
            logger.warning("usage of InferenceKey %s/%s is not written: %s; again later", *where, error)
            metrics.USAGE_WRITES.labels("error").inc()
            self._open[where] = self._open.get(where, Pending()).after(pending)
            return False
        finally:
            del self._flights[where]
        metrics.USAGE_WRITES.labels("ok").inc()
        return True

    async def _write(self, where: Key, pending: Pending, writer: str) -> None:
        """Add to the status. Raises ApiError when that is impossible now; a key that is gone needs nothing."""
        key: InferenceKey | None = self._keys.get(*where)
        for last in (*[False] * (TRIES - 1), True):
            if key is None or key.status.usage.writer == writer:
                # Gone, or an earlier try did arrive.
                return
            usage = written(key.status.usage, pending, writer)
            try:
                raw = await self._client.merge_status(
                    INFERENCE_KEYS, key.metadata, {"usage": msgspec.to_builtins(usage)}
                )
            except NotFoundError:
                return
            except ConflictError:
                if last:
                    raise
                key = await self._fresh(key)
            except ApiError as error:
                # Nobody knows whether it arrived.
                if last or error.status:
                    raise
                key = await self._fresh(key)
            else:
                self._keys.put(INFERENCE_KEYS.decode(msgspec.Raw(raw)))
                return

    async def _fresh(self, key: InferenceKey) -> InferenceKey | None:
        """The key as it is now; None when it is gone."""
        try:
            raw = await self._client.get(INFERENCE_KEYS, key.metadata.namespace, key.metadata.name)
        except NotFoundError:
            return None
        found: InferenceKey = INFERENCE_KEYS.decode(msgspec.Raw(raw))
        if found.metadata.uid != key.metadata.uid:
            return None
        self._keys.put(found)
        return found

    def _held(self, key: InferenceKey) -> int:
        """Up to which position the status holds our lines, as far as it says."""
        pod, _, position = key.status.usage.writer.rpartition("/")
        return int(position) if pod == self._pod and position.isdigit() else 0


def _period(key: InferenceKey) -> Period:
    return key.spec.budget.period if key.spec.budget else "Month"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
