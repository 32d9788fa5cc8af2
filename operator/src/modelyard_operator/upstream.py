"""Keeps the master keys of the installation: makes the first, and replaces it when it is old or when told to."""

import asyncio
import base64
import logging
from collections.abc import Callable

import msgspec
from msgspec import Struct

from .api import upstream
from .api.names import ANNOTATION_ROTATE, LABEL_MANAGED_BY, MANAGED_BY
from .api.objects import ObjectMeta
from .api.upstream import Ring
from .kube.client import Client
from .kube.errors import ApiError, FencedError, InvalidError, NotFoundError
from .kube.resources import SECRETS
from .surroundings import Surroundings

logger = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
RETRY_SECONDS = 2.0


class _Secret(Struct):
    metadata: ObjectMeta
    data: dict[str, str] = {}


class UpstreamKeys:
    """The Secret with the master keys, which only the leader writes. `ring` is None until it is known."""

    def __init__(
        self,
        client: Client,
        place: tuple[str, str],
        every: float,
        changed: Callable[[], None],
        surroundings: Surroundings,
    ) -> None:
        self._client = client
        self._namespace, self._name = place
        self._every = every
        self._changed = changed
        self._surroundings = surroundings
        self.ring: Ring | None = None
        self.trouble: ApiError | None = ApiError(0, "the key that models ask for is not read yet")
        self.asked = asyncio.Event()

    async def run(self) -> None:
        """Look at the Secret now and then, until cancelled."""
        while True:
            try:
                await self._look()
            except ApiError as error:
                self._complain(type(error), error)
            except ValueError as error:
                self._complain(InvalidError, error)
            except FencedError as error:
                self._complain(ApiError, error)
            self.asked.set()
            await asyncio.sleep(RETRY_SECONDS if self.trouble else LOOK_SECONDS)

    async def _look(self) -> None:
        now = self._surroundings.wall().timestamp()
        found, demand, version = await self._read()
        secret = upstream.encoded(self._surroundings.secret(upstream.KEY_BYTES))
        if found is None:
            wanted = upstream.first(secret, now)
            await self._client.create(SECRETS, self._manifest(wanted))
            logger.info("made the key that models ask for: Secret %s/%s", self._namespace, self._name)
        else:
            wanted = upstream.turned(found, now, self._every, demand, secret)
            if wanted != found:
                await self._client.apply(SECRETS, self._manifest(wanted, version), "rotate")
                logger.info("Secret %s/%s holds %d keys now", self._namespace, self._name, len(wanted.keys))
        self.trouble = None
        if wanted != self.ring:
            self.ring = wanted
            self._changed()

    async def _read(self) -> tuple[Ring | None, str, str]:
        """The ring, the demand for a new key, and the version; no ring when there is no Secret."""
        try:
            payload = await self._client.get(SECRETS, self._namespace, self._name)
        except NotFoundError:
            return None, "", ""
        secret = msgspec.json.decode(payload, type=_Secret)
        ring = upstream.read(base64.b64decode(secret.data.get(upstream.MASTER_ENTRY, "")))
        demand = secret.metadata.annotations.get(ANNOTATION_ROTATE, "")
        return ring, demand, secret.metadata.resource_version

    def _manifest(self, ring: Ring, version: str = "") -> dict[str, object]:
        metadata = {"name": self._name, "namespace": self._namespace, "labels": {LABEL_MANAGED_BY: MANAGED_BY}}
        if version:
            metadata["resourceVersion"] = version
        payload = base64.b64encode(msgspec.json.encode(ring)).decode()
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {upstream.MASTER_ENTRY: payload}}

    def _complain(self, kind: type[ApiError], error: Exception) -> None:
        status = error.status if isinstance(error, ApiError) else 0
        trouble = kind(status, f"the key that models ask for, Secret {self._namespace}/{self._name}: {error}")
        if self.trouble is None or trouble.message != self.trouble.message:
            logger.error("%s", trouble)
        self.trouble = trouble
