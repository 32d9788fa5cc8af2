"""The only writer of children: creates, changes, repairs and removes them, and lets the cache know."""

import logging
from collections.abc import Awaitable, Callable

from .api.names import ANNOTATION_SPEC_HASH, LABEL_MODEL
from .api.objects import Child, ChildStatus, ObjectMeta
from .cache import Key
from .caches import NAMESPACE, Caches
from .decide import Removal, Scale, differs
from .kube import resources
from .kube.client import Client
from .kube.errors import ConflictError, InvalidError, NotFoundError, NotOwnedError
from .reading import child_from_raw
from .render import Manifest

logger = logging.getLogger(__name__)

# Somebody who changes an object back each time gets no more than one answer in so many seconds.
REPAIR_SECONDS = 10.0


class Children:
    """Objects that belong to models, as the API server has them."""

    def __init__(
        self, client: Client, caches: Caches, again: Callable[[Key, float], None], clock: Callable[[], float]
    ) -> None:
        self._client = client
        self._caches = caches
        self._again = again
        self._clock = clock
        self._repaired: dict[str, float] = {}

    async def apply(self, manifest: Manifest, owner: str) -> None:
        """Make an object what the manifest says; NotOwnedError when the model with uid `owner` does not control it."""
        resource, metadata = resources.WRITTEN[manifest["kind"]], manifest["metadata"]
        live = self._caches[resource].get(metadata["namespace"], metadata["name"])
        if live is None:
            try:
                await self.taken(resource, self._client.create(resource, manifest))
            except ConflictError:
                # The cache lags behind, or somebody without our labels has the name.
                live = await self.look(resource, metadata["namespace"], metadata["name"])
            else:
                return
        if not live.metadata.controlled_by(owner):
            raise NotOwnedError(
                f"{resource.kind} {metadata['name']} exists and is not controlled by this ModelDeployment"
            )
        if self._caches[resource].get(metadata["namespace"], metadata["name"]) is None:
            self._caches[resource].put(live, announce=False)
        if not differs(manifest, live):
            return
        if not _is_asked(manifest, live):
            found = await self.taken(resource, self._client.apply(resource, manifest, "spec"))
        elif self._may_repair(live):
            repair = self._client.repair(resource, manifest, live.metadata.uid)
            found = await self._unless_replaced(resource, live.metadata, repair)
        else:
            found = live
        if differs(manifest, found):
            # Somebody changed it in between, and the cache takes their event for old news; or it was repaired just now.
            self._again((metadata["namespace"], metadata["labels"][LABEL_MODEL]), REPAIR_SECONDS)

    async def scale(self, namespace: str, scale: Scale) -> None:
        """Ask an old revision's Deployment for another number of replicas."""
        resource = resources.DEPLOYMENTS
        patch = self._client.scale(resource, namespace, scale.name, scale.uid, scale.replicas)
        await self._unless_replaced(resource, ObjectMeta(scale.name, namespace, scale.uid), patch)

    async def remove(self, namespace: str, removal: Removal) -> None:
        """Delete an object, if it still is the one that was seen."""
        resource = resources.WRITTEN[removal.kind]
        try:
            await self._client.delete(resource, namespace, removal.name, removal.uid)
        except NotFoundError:
            logger.debug("%s %s/%s was gone already", removal.kind, namespace, removal.name)
        except ConflictError:
            # Another object has the name by now, or the server was busy with it: the watch will tell.
            return
        # Deleting again what the watch has not told yet would be one more request for nothing.
        self._caches[resource].forget(namespace, removal.name, removal.uid)

    async def look(self, resource: resources.Resource, namespace: str, name: str) -> Child:
        """Read what the cache does not know."""
        return child_from_raw(await self._client.get(resource, namespace, name))

    async def _unless_replaced(self, resource: resources.Resource, seen: ObjectMeta, patch: Awaitable[bytes]) -> Child:
        """What a patch returned; the object itself, which the patch did not touch, when another has its name by now.

        The server refuses both with the same words: a patch of an object that is not the one it names, and a bad one.
        """
        try:
            return await self.taken(resource, patch)
        except InvalidError:
            found = await self.look(resource, seen.namespace, seen.name)
            if found.metadata.uid == seen.uid:
                raise
            self._caches[resource].put(found)
            return found

    async def taken(self, resource: resources.Resource, write: Awaitable[bytes]) -> Child:
        """Put what the server returned into the cache, so that the next decision knows our own write.

        The answer may be the first to show a status that somebody else wrote; its own event is old news to the cache.
        """
        found = child_from_raw(await write)
        before = self._caches[resource].get(found.metadata.namespace, found.metadata.name)
        known = before.status if before is not None else ChildStatus()
        self._caches[resource].put(found, announce=found.status != known)
        space, name = found.metadata.namespace, found.metadata.name
        if self._caches[resource].get(space, name) is None:
            # A list that is newer than the answer does not have it: it was deleted meanwhile, and no event will say so.
            self._again((space, found.metadata.labels.get(LABEL_MODEL, NAMESPACE)), 0)
        return found

    def _may_repair(self, live: Child) -> bool:
        """Whether the object was not repaired a moment ago; remembers that it is now."""
        now = self._clock()
        self._repaired = {uid: at for uid, at in self._repaired.items() if now - at < REPAIR_SECONDS}
        if live.metadata.uid in self._repaired:
            return False
        self._repaired[live.metadata.uid] = now
        return True


def _is_asked(manifest: Manifest, live: Child) -> bool:
    """Whether the live object was made of this very manifest, so that a difference is somebody else's doing."""
    asked = manifest["metadata"]["annotations"][ANNOTATION_SPEC_HASH]
    return bool(live.metadata.annotations.get(ANNOTATION_SPEC_HASH) == asked)
