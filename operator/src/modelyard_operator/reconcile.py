"""One reconcile for every event: read the caches, decide, apply, write the status when it changed."""

import logging
from collections.abc import Awaitable
from datetime import UTC, datetime

import msgspec

from . import conditions, metrics
from .api.model_deployment import ModelDeployment, ModelDeploymentStatus
from .api.names import ANNOTATION_SPEC_HASH, NETWORK_POLICY
from .api.objects import Child
from .cache import Key
from .caches import NAMESPACE, Caches
from .decide import Decision, decide, differs
from .diagnosis import Finding, Stage
from .kube import resources
from .kube.client import Client
from .kube.errors import ApiError, ConflictError, ForbiddenError, InvalidError, NotFoundError, NotOwnedError
from .reasons import Reason
from .render import Manifest
from .render.network_policy import network_policy
from .revision import Defaults

logger = logging.getLogger(__name__)


class Reconciler:
    """Makes the cluster what the ModelDeployments say."""

    def __init__(self, client: Client, caches: Caches, defaults: Defaults) -> None:
        self._client = client
        self._caches = caches
        self._defaults = defaults

    async def reconcile(self, key: Key) -> None:
        """Bring one model, or the shared objects of one namespace, to where they should be.

        Raises ApiError when it should be tried again.
        """
        namespace, name = key
        if name == NAMESPACE:
            await self._reconcile_namespace(namespace)
            return
        model = self._caches.model(key)
        if model is None:
            # Owner references delete the children; the namespace's own policy has no owner.
            forget(key)
            await self._reconcile_namespace(namespace)
            return
        decision = decide(model, self._caches.observed(model), self._caches.catalog(), self._defaults)
        await self._reconcile_namespace(namespace)
        refused, error = await self._act(model, decision)
        facts = decision.facts
        if refused is not None:
            facts = msgspec.structs.replace(facts, finding=refused, replaced=False)
        await self._report(model, conditions.status(model, facts, _now()))
        if error is not None:
            raise error

    async def _act(self, model: ModelDeployment, decision: Decision) -> tuple[Finding | None, ApiError | None]:
        """Carry a decision out; what the server refuses for good becomes a finding, the rest is raised."""
        namespace, uid = model.metadata.namespace, model.metadata.uid
        try:
            for manifest in decision.apply:
                await self._apply(manifest, uid)
            for scale in decision.scale:
                await self._taken(
                    resources.DEPLOYMENTS,
                    self._client.scale(resources.DEPLOYMENTS, namespace, scale.name, scale.uid, scale.replicas),
                )
            for removal in decision.delete:
                await self._delete(resources.WRITTEN[removal.kind], namespace, removal.name, removal.uid)
        except NotOwnedError as error:
            return Finding(Stage.PENDING, Reason.NAME_TAKEN, str(error)), ApiError(0, str(error), retry_after=30)
        except (ForbiddenError, InvalidError) as error:
            reason = Reason.QUOTA_EXCEEDED if "exceeded quota" in error.message else Reason.APPLY_REJECTED
            return Finding(Stage.PENDING, reason, error.message), ApiError(error.status, error.message, retry_after=15)
        return None, None

    async def _apply(self, manifest: Manifest, owner: str) -> None:
        resource, metadata = resources.WRITTEN[manifest["kind"]], manifest["metadata"]
        store = self._caches[resource]
        live = store.get(metadata["namespace"], metadata["name"])
        if live is None:
            live = await self._look(resource, metadata["namespace"], metadata["name"])
        if live is not None and not _ours(live, owner):
            raise NotOwnedError(
                f"{resource.kind} {metadata['name']} exists and is not controlled by this ModelDeployment"
            )
        await self._taken(resource, self._send(resource, manifest, live))

    def _send(self, resource: resources.Resource, manifest: Manifest, live: Child | None) -> Awaitable[bytes]:
        """Create it, change it, or undo what somebody did to it."""
        if live is None:
            return self._client.apply(resource, manifest, "create")
        asked = manifest["metadata"]["annotations"][ANNOTATION_SPEC_HASH]
        if live.metadata.annotations.get(ANNOTATION_SPEC_HASH) == asked:
            return self._client.repair(resource, manifest, live.metadata.uid)
        return self._client.apply(resource, manifest, "spec")

    async def _look(self, resource: resources.Resource, namespace: str, name: str) -> Child | None:
        """Read what the cache does not know: an object without our labels must not be taken over."""
        try:
            return msgspec.json.decode(await self._client.get(resource, namespace, name), type=Child, strict=False)
        except NotFoundError:
            return None

    async def _taken(self, resource: resources.Resource, write: Awaitable[bytes]) -> None:
        """Put what the server returned into the cache, so that the next decision knows our own write."""
        self._caches[resource].put(msgspec.json.decode(await write, type=Child, strict=False), announce=False)

    async def _delete(self, resource: resources.Resource, namespace: str, name: str, uid: str) -> None:
        try:
            await self._client.delete(resource, namespace, name, uid)
        except (NotFoundError, ConflictError):
            logger.debug("%s %s/%s was gone already", resource.kind, namespace, name)

    async def _reconcile_namespace(self, namespace: str) -> None:
        live = self._caches[resources.POLICIES].get(namespace, NETWORK_POLICY)
        if self._caches.has_models(namespace):
            manifest = network_policy(namespace)
            if differs(manifest, live):
                await self._taken(resources.POLICIES, self._send(resources.POLICIES, manifest, live))
        elif live is not None:
            await self._delete(resources.POLICIES, namespace, NETWORK_POLICY, live.metadata.uid)

    async def _report(self, model: ModelDeployment, status: ModelDeploymentStatus) -> None:
        observe(model, status)
        if status == model.status:
            return
        body = await self._client.write_status(
            resources.MODEL_DEPLOYMENTS, model.metadata, conditions.as_document(status)
        )
        self._caches.put_model(msgspec.json.decode(body, type=ModelDeployment, strict=False))
        if status.summary != model.status.summary:
            logger.info("%s/%s: %s", model.metadata.namespace, model.metadata.name, status.summary)


def _ours(live: Child, owner: str) -> bool:
    return live.metadata.controlled_by(owner)


_seen: dict[Key, tuple[str, str]] = {}


def observe(model: ModelDeployment, status: ModelDeploymentStatus) -> None:
    """Publish what the status says as metrics."""
    namespace, name = model.metadata.namespace, model.metadata.name
    forget((namespace, name))
    ready = status.conditions[0]
    labels = ("true" if ready.status == "True" else "false", ready.reason)
    metrics.MODELS.labels(namespace, *labels).inc()
    _seen[namespace, name] = labels
    metrics.MODEL_REPLICAS.labels(namespace, name, "desired").set(model.spec.replicas)
    metrics.MODEL_REPLICAS.labels(namespace, name, "ready").set(status.ready_replicas)
    for condition in status.conditions:
        gauge = metrics.MODEL_CONDITION.labels(namespace, name, condition.type, condition.reason)
        gauge.set(condition.status == "True")


def forget(key: Key) -> None:
    """Drop the metrics of a model that is gone, or whose reasons changed."""
    labels = _seen.pop(key, None)
    if labels is not None:
        metrics.MODELS.labels(key[0], *labels).dec()
    for gauge in (metrics.MODEL_REPLICAS, metrics.MODEL_CONDITION):
        gauge.remove_by_labels({"namespace": key[0], "model": key[1]})


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
