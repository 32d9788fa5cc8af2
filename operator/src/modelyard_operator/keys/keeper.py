"""Watches InferenceKeys; makes keys, writes their Secrets and statuses."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

import msgspec

from modelyard_operator.api.inference_key import InferenceKey, InferenceKeyStatus
from modelyard_operator.api.scalars import parse_duration
from modelyard_operator.cache import Key, Store
from modelyard_operator.kube.client import Client
from modelyard_operator.kube.errors import (
    ApiError,
    ConflictError,
    FencedError,
    InvalidError,
    NotFoundError,
    is_refusal,
)
from modelyard_operator.kube.informer import Informer
from modelyard_operator.kube.resources import EVENTS, INFERENCE_KEYS, SECRETS
from modelyard_operator.surroundings import Surroundings
from modelyard_operator.workqueue import WorkQueue

from . import lifecycle, telling
from .material import RANDOM_BYTES, Material, make, replacement, secret, secret_name

logger = logging.getLogger(__name__)

# Keys end and periods begin without any news; to look costs no request.
LOOK_SECONDS = 60.0
REFUSED_SECONDS = 15.0


class KeyKeeper:
    """One worker with a queue and watches of its own: models do not wait for keys, nor keys for models."""

    def __init__(self, client: Client, namespaces: list[str], surroundings: Surroundings) -> None:
        self._client = client
        self._surroundings = surroundings
        self._queue = WorkQueue(surroundings.clock, surroundings.chance)
        self._keys = Store(lambda found: self._queue.add((found.metadata.namespace, found.metadata.name)))
        self.informers = [
            Informer(client, INFERENCE_KEYS, namespace, self._keys, surroundings) for namespace in namespaces or [""]
        ]

    async def run(self) -> None:
        """Keep all keys until cancelled; to be started when this process leads."""
        for informer in self.informers:
            await informer.synced.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look())
            group.create_task(self._work())

    async def _look(self) -> None:
        while True:
            for one in self._keys:
                self._queue.add((one.metadata.namespace, one.metadata.name))
            await asyncio.sleep(LOOK_SECONDS)

    async def _work(self) -> None:
        while True:
            key = await self._queue.take()
            try:
                await self._keep(key)
                self._queue.succeeded(key)
            except (ApiError, FencedError) as error:
                delay = self._queue.retry(key)
                logger.warning("InferenceKey %s/%s: %s; again in %.1f s", *key, error, delay)
            except Exception:
                # A defect of ours must cost one key a retry, never all of them.
                logger.exception("InferenceKey %s/%s", *key)
                self._queue.retry(key, 5)
            finally:
                self._queue.done(key)

    async def _keep(self, key: Key) -> None:
        """Bring one key to where it should be. Raises ApiError when it should be tried again."""
        found: InferenceKey | None = self._keys.get(*key)
        if found is None or found.metadata.deletion_timestamp is not None:
            return
        wall = self._surroundings.wall()
        now, status, refused = _text(wall), found.status, ""
        if lifecycle.needs_key(found, now):
            found = await self._fresh(found)
            if found is None or not lifecycle.needs_key(found, now):
                # The news is under way, and asks for another look.
                return
            material = make(self._surroundings.secret(RANDOM_BYTES))
            refused = await self._write_secret(found, material)
            if not refused:
                ends = wall + timedelta(seconds=parse_duration(found.spec.rotation.overlap))
                status = lifecycle.issued(found, material, now, _text(ends))
        await self._report(found, lifecycle.settled(found, status, now, refused), now)
        if refused:
            self._queue.add_after(key, REFUSED_SECONDS)

    async def _fresh(self, found: InferenceKey) -> InferenceKey | None:
        """The object as it is now: a cache that is late must not lead to a Secret whose key is not known.

        None when it is gone.
        """
        try:
            raw = await self._client.get(INFERENCE_KEYS, found.metadata.namespace, found.metadata.name)
        except NotFoundError:
            return None
        seen: InferenceKey = INFERENCE_KEYS.decode(msgspec.Raw(raw))
        return seen if seen.metadata.uid == found.metadata.uid and not seen.metadata.deletion_timestamp else None

    async def _write_secret(self, owner: InferenceKey, material: Material) -> str:
        """Put a key into its Secret; why the API server refuses it, or nothing."""
        namespace, name = owner.metadata.namespace, secret_name(owner.metadata.name)
        try:
            try:
                await self._client.create(SECRETS, secret(owner, material))
            except ConflictError:
                await self._client.amend(SECRETS, namespace, name, replacement(owner, material), "rotation")
        except InvalidError:
            return f"Secret {name} is not of this InferenceKey and stays as it is; delete it, or choose another name"
        except ApiError as error:
            if not is_refusal(error):
                raise
            return f"Secret {name} cannot be written: {error.message}"
        return ""

    async def _report(self, found: InferenceKey, status: InferenceKeyStatus, now: str) -> None:
        """Write the status if it says anything new, and an event if that is worth one."""
        if status == found.status:
            return
        written = await self._client.merge_status(INFERENCE_KEYS, found.metadata, lifecycle.document(status))
        self._keys.put(INFERENCE_KEYS.decode(msgspec.Raw(written)), announce=False)
        logger.info("InferenceKey %s/%s: %s", found.metadata.namespace, found.metadata.name, status.summary)
        for note in telling.notes(found.status, status):
            await self._tell(telling.event(found, note, now, int(self._surroundings.wall().timestamp() * 1e6)))

    async def _tell(self, event: dict[str, Any]) -> None:
        """Events are for people who look now: one that cannot be written is not worth another try."""
        try:
            await self._client.apply(EVENTS, event, event["reason"])
        except ApiError as error:
            logger.debug("event of an InferenceKey: %s", error)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
