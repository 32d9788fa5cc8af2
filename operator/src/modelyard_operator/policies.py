"""The NetworkPolicy of each namespace with models: it belongs to no single model, so one keeper sees to all of them."""

from collections.abc import Callable, Sequence

from .api.names import ANNOTATION_SPEC_HASH, LABEL_MANAGED_BY, MANAGED_BY, NETWORK_POLICY
from .api.objects import Child
from .cache import Key
from .caches import NAMESPACE, Caches
from .children import Children
from .decide import Removal, differs
from .kube import resources
from .kube.client import Client
from .kube.errors import ConflictError
from .render import Manifest
from .render.network_policy import network_policy

# A namespace whose policy another worker sees to is looked at once more.
AGAIN_SECONDS = 0.5
# A policy of our name that somebody else made is not asked about again so soon.
STRANGE_SECONDS = 300.0


class PolicyKeeper:
    """Makes the policy of a namespace what its models need."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        children: Children,
        clients: Sequence[Manifest],
        again: Callable[[Key, float], None],
        clock: Callable[[], float],
    ) -> None:
        self._clients = clients
        self._client = client
        self._caches = caches
        self._children = children
        self._again = again
        self._clock = clock
        self._keeping: set[str] = set()
        self._strange: dict[str, float] = {}

    async def keep(self, namespace: str) -> None:
        """The NetworkPolicy exists while the namespace has a model. One worker at a time sees to it."""
        if namespace in self._keeping:
            # What that worker looked at may have changed since.
            self._again((namespace, NAMESPACE), AGAIN_SECONDS)
            return
        self._keeping.add(namespace)
        try:
            if self._caches.has_models(namespace):
                await self._apply(namespace)
            elif live := self._caches[resources.POLICIES].get(namespace, NETWORK_POLICY):
                await self._children.remove(namespace, Removal("NetworkPolicy", NETWORK_POLICY, live.metadata.uid))
        finally:
            self._keeping.discard(namespace)

    async def _apply(self, namespace: str) -> None:
        """One that we did not make is somebody else's, whatever its name."""
        resource, manifest = resources.POLICIES, network_policy(namespace, self._clients)
        live = self._caches[resource].get(namespace, NETWORK_POLICY)
        if not differs(manifest, live) or self._strange.get(namespace, 0.0) > self._clock():
            return
        if live is None:
            try:
                await self._children.taken(resource, self._client.create(resource, manifest))
            except ConflictError:
                live = await self._children.look(resource, namespace, NETWORK_POLICY)
            else:
                return
        if not _is_ours(live):
            self._strange[namespace] = self._clock() + STRANGE_SECONDS
        elif differs(manifest, live):
            await self._children.taken(resource, self._client.repair(resource, manifest, live.metadata.uid))


def _is_ours(live: Child) -> bool:
    """By the label, or by the hash if somebody took the label away."""
    metadata = live.metadata
    return metadata.labels.get(LABEL_MANAGED_BY) == MANAGED_BY or ANNOTATION_SPEC_HASH in metadata.annotations
