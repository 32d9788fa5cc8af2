"""One reconcile for every event: read the caches, decide, apply, write the status when it changed."""

import logging
from collections.abc import Awaitable, Callable, Iterator

import msgspec

from . import conditions
from .api.model_deployment import ModelDeployment
from .api.model_status import ModelDeploymentStatus
from .api.names import ANNOTATION_SPEC_HASH, LABEL_MANAGED_BY, LABEL_MODEL, MANAGED_BY, NETWORK_POLICY
from .api.objects import Child, ChildStatus
from .cache import Key
from .caches import NAMESPACE, Caches
from .decide import Decision, Removal, Scale, decide, differs
from .diagnosis import Finding, Stage
from .gauges import ModelGauges
from .kube import resources
from .kube.client import Client
from .kube.errors import ApiError, ConflictError, InvalidError, NotFoundError, NotOwnedError, is_refusal
from .reading import from_raw
from .reasons import Reason
from .render import Manifest
from .render.network_policy import network_policy
from .revision import Defaults
from .surroundings import Surroundings

logger = logging.getLogger(__name__)

# What is refused today is tried again now and then: a quota is raised, another object removed.
REFUSED_SECONDS = 15.0
# Somebody who changes an object back each time gets no more than one answer in so many seconds.
REPAIR_SECONDS = 10.0


class Reconciler:
    """Makes the cluster what the ModelDeployments say."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        defaults: Defaults,
        again: Callable[[Key, float], None],
        surroundings: Surroundings,
    ) -> None:
        self._client = client
        self._caches = caches
        self._defaults = defaults
        self._again = again
        self._clock, self._wall = surroundings.clock, surroundings.wall
        self._gauges = ModelGauges()
        self._repaired: dict[str, float] = {}

    async def reconcile(self, key: Key) -> None:
        """Bring one model, or the shared objects of one namespace, to where they should be.

        Raises ApiError when it should be tried again.
        """
        namespace, name = key
        model = None if name == NAMESPACE else self._caches.model(key)
        if model is None:
            # Owner references delete the children; the namespace's own policy has no owner.
            self._gauges.forget(key)
            await self._keep_policy(namespace)
            return
        decision = decide(model, self._caches.observed(model), self._caches.catalog(), self._defaults)
        if self._is_made_anew(model, decision) and await self._is_gone(model):
            self._again(key, 0)
            return
        errors = [error for action in self._actions(model, decision) if (error := await _outcome(action))]
        facts = decision.facts
        if refused := next((error for error in errors if is_refusal(error)), None):
            facts = msgspec.structs.replace(facts, finding=_finding(refused), replaced=False)
        elif errors:
            # Nothing is known for sure while the API server does not answer: no status rather than a wrong one.
            raise errors[0]
        await self._report(model, conditions.status(model, facts, self._wall().strftime("%Y-%m-%dT%H:%M:%SZ")))
        if refused:
            raise ApiError(refused.status, str(refused), refused.retry_after or REFUSED_SECONDS)

    def _is_made_anew(self, model: ModelDeployment, decision: Decision) -> bool:
        """Whether children of a model that was reconciled before would be created."""
        space = model.metadata.namespace
        return model.status.observed_generation > 0 and any(
            self._caches[resources.WRITTEN[one["kind"]]].get(space, one["metadata"]["name"]) is None
            for one in decision.apply
        )

    async def _is_gone(self, model: ModelDeployment) -> bool:
        """Whether the model was deleted while nobody watched, which kopf does not tell; it is forgotten then.

        Otherwise its children would be made again as often as they are collected, until the next sweep.
        """
        metadata = model.metadata
        try:
            raw = await self._client.get(resources.MODEL_DEPLOYMENTS, metadata.namespace, metadata.name)
        except NotFoundError:
            gone = True
        else:
            found = from_raw(msgspec.Raw(raw)).metadata
            gone = found.uid != metadata.uid or found.deletion_timestamp is not None
        if gone:
            self._caches.remove_model((metadata.namespace, metadata.name), metadata.uid)
        return gone

    def _actions(self, model: ModelDeployment, decision: Decision) -> Iterator[Awaitable[None]]:
        """Everything to do for a model. Each is tried: one refused object must not keep an old replica from going."""
        yield self._keep_policy(model.metadata.namespace)
        for manifest in decision.apply:
            yield self._apply(manifest, model.metadata.uid)
        for scale in decision.scale:
            yield self._scale(model.metadata.namespace, scale)
        for removal in decision.delete:
            yield self._remove(model.metadata.namespace, removal)

    async def _apply(self, manifest: Manifest, owner: str) -> None:
        resource, metadata = resources.WRITTEN[manifest["kind"]], manifest["metadata"]
        live = self._caches[resource].get(metadata["namespace"], metadata["name"])
        if live is None:
            live = await self._look(resource, metadata["namespace"], metadata["name"])
        if live is not None and not live.metadata.controlled_by(owner):
            raise NotOwnedError(
                f"{resource.kind} {metadata['name']} exists and is not controlled by this ModelDeployment"
            )
        if live is not None and _is_asked(manifest, live) and not self._may_repair(live):
            self._again((metadata["namespace"], manifest["metadata"]["labels"][LABEL_MODEL]), REPAIR_SECONDS)
            return
        if differs(manifest, await self._taken(resource, self._send(resource, manifest, live))):
            # Somebody changed it in between, and the same holds for that event.
            self._again((metadata["namespace"], metadata["labels"][LABEL_MODEL]), REPAIR_SECONDS)

    def _may_repair(self, live: Child) -> bool:
        """Whether the object was not repaired a moment ago; remembers that it is now."""
        now = self._clock()
        self._repaired = {uid: at for uid, at in self._repaired.items() if now - at < REPAIR_SECONDS}
        if live.metadata.uid in self._repaired:
            return False
        self._repaired[live.metadata.uid] = now
        return True

    def _send(self, resource: resources.Resource, manifest: Manifest, live: Child | None) -> Awaitable[bytes]:
        """Create it, change it, or undo what somebody did to it."""
        if live is None:
            return self._client.apply(resource, manifest, "create")
        if _is_asked(manifest, live):
            return self._client.repair(resource, manifest, live.metadata.uid)
        return self._client.apply(resource, manifest, "spec")

    async def _look(self, resource: resources.Resource, namespace: str, name: str) -> Child | None:
        """Read what the cache does not know: an object without our labels must not be taken over."""
        try:
            return msgspec.json.decode(await self._client.get(resource, namespace, name), type=Child, strict=False)
        except NotFoundError:
            return None

    async def _scale(self, namespace: str, scale: Scale) -> None:
        resource = resources.DEPLOYMENTS
        await self._taken(resource, self._client.scale(resource, namespace, scale.name, scale.uid, scale.replicas))

    async def _taken(self, resource: resources.Resource, write: Awaitable[bytes]) -> Child:
        """Put what the server returned into the cache, so that the next decision knows our own write.

        The answer may be the first to show a status that somebody else wrote; its own event is old news to the cache.
        """
        found = msgspec.json.decode(await write, type=Child, strict=False)
        before = self._caches[resource].get(found.metadata.namespace, found.metadata.name)
        known = before.status if before is not None else ChildStatus()
        self._caches[resource].put(found, announce=found.status != known)
        return found

    async def _remove(self, namespace: str, removal: Removal) -> None:
        resource = resources.WRITTEN[removal.kind]
        try:
            await self._client.delete(resource, namespace, removal.name, removal.uid)
        except (NotFoundError, ConflictError):
            logger.debug("%s %s/%s was gone already", removal.kind, namespace, removal.name)

    async def _keep_policy(self, namespace: str) -> None:
        """The NetworkPolicy exists while the namespace has a model. One without our label is somebody else's."""
        resource = resources.POLICIES
        live = self._caches[resource].get(namespace, NETWORK_POLICY)
        if not self._caches.has_models(namespace):
            if live is not None:
                await self._remove(namespace, Removal(resource.kind, NETWORK_POLICY, live.metadata.uid))
            return
        manifest = network_policy(namespace)
        if not differs(manifest, live):
            return
        found = live or await self._look(resource, namespace, NETWORK_POLICY)
        if found is None or found.metadata.labels.get(LABEL_MANAGED_BY) == MANAGED_BY:
            await self._taken(resource, self._send(resource, manifest, found))

    async def _report(self, model: ModelDeployment, status: ModelDeploymentStatus) -> None:
        self._gauges.show(model, status)
        if status == model.status:
            return
        try:
            body = await self._client.write_status(
                resources.MODEL_DEPLOYMENTS, model.metadata, conditions.as_document(status)
            )
        except (NotFoundError, InvalidError) as error:
            # It is gone, or another one of that name is here by now: stop making children for it.
            if isinstance(error, InvalidError) and "uid" not in error.message:
                raise
            self._caches.remove_model((model.metadata.namespace, model.metadata.name), model.metadata.uid)
            return
        written = from_raw(msgspec.Raw(body))
        self._caches.put_model(written)
        seen, now = model.metadata, written.metadata
        if (seen.generation, seen.annotations) != (now.generation, now.annotations):
            # The answer is the first to show somebody's change: its own event is old news to the cache by now.
            self._again((seen.namespace, seen.name), 0)
        if status.summary != model.status.summary:
            logger.info("%s/%s: %s", model.metadata.namespace, model.metadata.name, status.summary)


def _is_asked(manifest: Manifest, live: Child) -> bool:
    """Whether the live object was made of this very manifest, so that a difference is somebody else's doing."""
    asked = manifest["metadata"]["annotations"][ANNOTATION_SPEC_HASH]
    return bool(live.metadata.annotations.get(ANNOTATION_SPEC_HASH) == asked)


async def _outcome(action: Awaitable[None]) -> ApiError | None:
    """What went wrong, if anything did."""
    try:
        await action
    except ApiError as error:
        return error
    return None


def _finding(error: ApiError) -> Finding:
    if isinstance(error, NotOwnedError):
        return Finding(Stage.PENDING, Reason.NAME_TAKEN, error.message)
    reason = Reason.QUOTA_EXCEEDED if "exceeded quota" in error.message else Reason.APPLY_REJECTED
    return Finding(Stage.PENDING, reason, error.message)
