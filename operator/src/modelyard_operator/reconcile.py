"""One reconcile for every event: read the caches, decide, apply, and report."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from .api.model_deployment import ModelDeployment
from .api.names import ANNOTATION_SPEC_HASH, LABEL_MANAGED_BY, LABEL_MODEL, MANAGED_BY, NETWORK_POLICY
from .api.objects import Child, ChildStatus
from .cache import Key
from .caches import NAMESPACE, Caches
from .decide import Decision, Removal, Scale, decide, differs
from .diagnosis import Finding, Stage
from .kube import resources
from .kube.client import Client
from .kube.errors import ApiError, ConflictError, NotFoundError, NotOwnedError, is_refusal
from .reading import child_from_raw
from .reasons import Reason, Unresolved
from .render import Manifest
from .render.network_policy import network_policy
from .report import Reporter
from .revision import Defaults

logger = logging.getLogger(__name__)

# What is refused today is tried again now and then: a quota is raised, another object removed.
REFUSED_SECONDS = 15.0
# Somebody who changes an object back each time gets no more than one answer in so many seconds.
REPAIR_SECONDS = 10.0
# A namespace whose policy another worker sees to is looked at once more.
POLICY_SECONDS = 0.5
# A policy of our name that somebody else made is not asked about again so soon.
STRANGE_SECONDS = 300.0
# What the cluster lacks today is looked for again.
LOOK_SECONDS = 30.0


class Reconciler:
    """Makes the cluster what the ModelDeployments say."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is a room that it works with
        self,
        client: Client,
        caches: Caches,
        defaults: Defaults,
        again: Callable[[Key, float], None],
        reporter: Reporter,
        doubt: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._caches = caches
        self._defaults = defaults
        self._again = again
        self._reporter = reporter
        self._doubt = doubt
        self._clock = clock
        self._repaired: dict[str, float] = {}
        self._keeping: set[str] = set()
        self._strange: dict[str, float] = {}

    async def reconcile(self, key: Key) -> None:
        """Bring one model, or the shared objects of one namespace, to where they should be.

        Raises ApiError when it should be tried again.
        """
        namespace, name = key
        model = None if name == NAMESPACE else self._caches.model(key)
        if model is None:
            # Owner references delete the children; the namespace's own policy has no owner.
            self._reporter.forget(key)
            await self._keep_policy(namespace)
            return
        decision = decide(model, self._caches.observed(model), self._caches.catalog(), self._defaults)
        for kind, child in decision.same:
            self._caches[resources.WRITTEN[kind]].compared(child)
        errors = await self._act(model, decision)
        facts = decision.facts
        if refused := next((error for error in errors if is_refusal(error)), None):
            facts = msgspec.structs.replace(facts, finding=examine_refusal(refused), replaced=False)
        elif errors:
            # Nothing is known for sure while the API server does not answer: no status rather than a wrong one.
            raise errors[0]
        await self._reporter.report(model, facts)
        if isinstance(facts.revision, Unresolved) and facts.revision.reason is Reason.NO_GPU_MECHANISM:
            # Nodes and the API server change without a word to each model: look again now and then.
            self._doubt()
            self._again(key, LOOK_SECONDS)
        if refused:
            raise ApiError(refused.status, str(refused), refused.retry_after or REFUSED_SECONDS)

    async def _act(self, model: ModelDeployment, decision: Decision) -> list[ApiError]:
        """Do everything, and tell what was refused: one refused object must not keep an old replica from going."""
        namespace = model.metadata.namespace
        errors = await _outcomes(
            self._keep_policy(namespace), *(self._apply(one, model.metadata.uid) for one in decision.apply)
        )
        for scale in decision.scale:
            errors += await _outcomes(self._scale(namespace, scale))
        for removal in decision.delete:
            errors += await _outcomes(self._remove(namespace, removal))
        return errors

    async def _apply(self, manifest: Manifest, owner: str) -> None:
        resource, metadata = resources.WRITTEN[manifest["kind"]], manifest["metadata"]
        live = self._caches[resource].get(metadata["namespace"], metadata["name"])
        if live is None:
            try:
                await self._taken(resource, self._client.create(resource, manifest))
            except ConflictError:
                # The cache lags behind, or somebody without our labels has the name.
                live = await self._look(resource, metadata["namespace"], metadata["name"])
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
            found = await self._taken(resource, self._client.apply(resource, manifest, "spec"))
        elif self._may_repair(live):
            found = await self._taken(resource, self._client.repair(resource, manifest, live.metadata.uid))
        else:
            found = live
        if differs(manifest, found):
            # Somebody changed it in between, and the cache takes their event for old news; or it was repaired just now.
            self._again((metadata["namespace"], metadata["labels"][LABEL_MODEL]), REPAIR_SECONDS)

    def _may_repair(self, live: Child) -> bool:
        """Whether the object was not repaired a moment ago; remembers that it is now."""
        now = self._clock()
        self._repaired = {uid: at for uid, at in self._repaired.items() if now - at < REPAIR_SECONDS}
        if live.metadata.uid in self._repaired:
            return False
        self._repaired[live.metadata.uid] = now
        return True

    async def _look(self, resource: resources.Resource, namespace: str, name: str) -> Child:
        """Read what the cache does not know."""
        return child_from_raw(await self._client.get(resource, namespace, name))

    async def _scale(self, namespace: str, scale: Scale) -> None:
        resource = resources.DEPLOYMENTS
        await self._taken(resource, self._client.scale(resource, namespace, scale.name, scale.uid, scale.replicas))

    async def _taken(self, resource: resources.Resource, write: Awaitable[bytes]) -> Child:
        """Put what the server returned into the cache, so that the next decision knows our own write.

        The answer may be the first to show a status that somebody else wrote; its own event is old news to the cache.
        """
        found = child_from_raw(await write)
        before = self._caches[resource].get(found.metadata.namespace, found.metadata.name)
        known = before.status if before is not None else ChildStatus()
        self._caches[resource].put(found, announce=found.status != known)
        return found

    async def _remove(self, namespace: str, removal: Removal) -> None:
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

    async def _keep_policy(self, namespace: str) -> None:
        """The NetworkPolicy exists while the namespace has a model. One worker at a time sees to it."""
        if namespace in self._keeping:
            # What that worker looked at may have changed since.
            self._again((namespace, NAMESPACE), POLICY_SECONDS)
            return
        self._keeping.add(namespace)
        try:
            if self._caches.has_models(namespace):
                await self._apply_policy(namespace)
            elif live := self._caches[resources.POLICIES].get(namespace, NETWORK_POLICY):
                await self._remove(namespace, Removal("NetworkPolicy", NETWORK_POLICY, live.metadata.uid))
        finally:
            self._keeping.discard(namespace)

    async def _apply_policy(self, namespace: str) -> None:
        """One that we did not make is somebody else's, whatever its name."""
        resource, manifest = resources.POLICIES, network_policy(namespace)
        live = self._caches[resource].get(namespace, NETWORK_POLICY)
        if not differs(manifest, live) or self._strange.get(namespace, 0.0) > self._clock():
            return
        if live is None:
            try:
                await self._taken(resource, self._client.create(resource, manifest))
            except ConflictError:
                live = await self._look(resource, namespace, NETWORK_POLICY)
            else:
                return
        if not _is_ours(live):
            self._strange[namespace] = self._clock() + STRANGE_SECONDS
        elif differs(manifest, live):
            await self._taken(resource, self._client.repair(resource, manifest, live.metadata.uid))


def _is_ours(live: Child) -> bool:
    """By the label, or by the hash if somebody took the label away."""
    metadata = live.metadata
    return metadata.labels.get(LABEL_MANAGED_BY) == MANAGED_BY or ANNOTATION_SPEC_HASH in metadata.annotations


def _is_asked(manifest: Manifest, live: Child) -> bool:
    """Whether the live object was made of this very manifest, so that a difference is somebody else's doing."""
    asked = manifest["metadata"]["annotations"][ANNOTATION_SPEC_HASH]
    return bool(live.metadata.annotations.get(ANNOTATION_SPEC_HASH) == asked)


def _again_later(found: BaseException | None) -> BaseException | None:
    """kopf, when it ends, cancels every task that began while it ran, ours too; the worker itself is older."""
    return ApiError(0, "cut off in the middle") if isinstance(found, asyncio.CancelledError) else found


async def _outcomes(*actions: Awaitable[None]) -> list[ApiError]:
    """Do these at the same time, each to its end; what the API server refused of them."""
    found = [_again_later(one) for one in await asyncio.gather(*actions, return_exceptions=True)]
    for one in found:
        if one is not None and not isinstance(one, ApiError):
            raise one
    return [one for one in found if isinstance(one, ApiError)]


def examine_refusal(error: ApiError) -> Finding:
    """What a refusal of the API server says of the model."""
    if isinstance(error, NotOwnedError):
        return Finding(Stage.PENDING, Reason.NAME_TAKEN, error.message)
    reason = Reason.QUOTA_EXCEEDED if "exceeded quota" in error.message else Reason.APPLY_REJECTED
    return Finding(Stage.PENDING, reason, error.message)
