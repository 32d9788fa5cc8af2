"""What a reconcile found out -> the status, the gauges and the events of a model; written only when it is news."""

import logging
from collections.abc import Callable

import msgspec

from . import conditions, events
from .api.model_deployment import ModelDeployment
from .api.model_status import ModelDeploymentStatus
from .cache import Key
from .caches import Caches
from .facts import Facts
from .gauges import ModelGauges
from .kube import resources
from .kube.client import Client
from .kube.errors import ApiError, InvalidError, NotFoundError
from .presence import forget_if_gone
from .reading import from_raw
from .reasons import PROGRESS
from .surroundings import Surroundings

logger = logging.getLogger(__name__)

# A model on its way to Ready takes several steps within a moment; a status for each would be most of all writes.
FIRST_PROGRESS_SECONDS = 0.5
PROGRESS_SECONDS = 1.0


class Reporter:
    """The only writer of status."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        again: Callable[[Key, float], None],
        identity: str,
        surroundings: Surroundings,
    ) -> None:
        self._client = client
        self._caches = caches
        self._again = again
        self._identity = identity
        self._clock, self._wall = surroundings.clock, surroundings.wall
        self._events = events.EventLog()
        self._progress_due: dict[Key, float] = {}
        self.gauges = ModelGauges()

    def forget(self, key: Key) -> None:
        """A model is gone."""
        self.gauges.forget(key)
        self._progress_due.pop(key, None)

    async def report(self, model: ModelDeployment, facts: Facts) -> None:
        """Write the status if it says anything new, and an event if that is worth one."""
        now = self._wall().strftime("%Y-%m-%dT%H:%M:%SZ")
        status = conditions.status(model, facts, now)
        self.gauges.show(model, status)
        if status == model.status or self._waits(model, status):
            return
        warned = self._events.warned(model.metadata.uid)
        if await self._write(model, status) and (note := events.note(model.status, status, warned=warned)):
            await self._tell(model, status.revision, note, now)

    def _waits(self, model: ModelDeployment, status: ModelDeploymentStatus) -> bool:
        """Whether this is a mere step on the way, and another one may follow within a moment."""
        key = model.metadata.namespace, model.metadata.name
        ready = status.condition("Ready")
        if model.is_ready() or ready is None or ready.reason not in PROGRESS:
            self._progress_due.pop(key, None)
            return False
        now = self._clock()
        due = self._progress_due.setdefault(key, now + FIRST_PROGRESS_SECONDS)
        if now < due:
            self._again(key, due - now)
            return True
        self._progress_due[key] = now + PROGRESS_SECONDS
        return False

    async def _write(self, model: ModelDeployment, status: ModelDeploymentStatus) -> bool:
        try:
            body = await self._client.write_status(
                resources.MODEL_DEPLOYMENTS, model.metadata, conditions.as_document(status)
            )
        except (NotFoundError, InvalidError):
            # A test of the uid that fails is answered like any status that is not valid, without a word about the uid.
            if not await forget_if_gone(self._client, self._caches, model):
                raise
            return False
        written = from_raw(msgspec.Raw(body))
        self._caches.put_model(written)
        seen, now = model.metadata, written.metadata
        if (seen.generation, seen.annotations) != (now.generation, now.annotations):
            # The answer is the first to show somebody's change: its own event is old news to the cache by now.
            self._again((seen.namespace, seen.name), 0)
        if status.summary != model.status.summary:
            logger.info("%s/%s: %s", model.metadata.namespace, model.metadata.name, status.summary)
        return True

    async def _tell(self, model: ModelDeployment, revision: str, note: events.Note, now: str) -> None:
        """Events are for people who look now: one that cannot be written is not worth another try."""
        clock = self._clock()
        name = f"{model.metadata.name}.{int(self._wall().timestamp() * 1e6):x}"
        series = self._events.series((model.metadata.uid, revision), note, name, now, clock)
        if series is None:
            return
        try:
            await self._client.apply(
                resources.EVENTS, events.manifest(model, note, series, now, self._identity), note.reason
            )
        except ApiError as error:
            logger.debug("event of %s/%s: %s", model.metadata.namespace, model.metadata.name, error)
