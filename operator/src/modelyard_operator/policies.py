"""What a namespace with models has besides them: a NetworkPolicy, and the keys that its models take.

These belong to no single model, so one keeper sees to all of them.
"""

import contextlib
from collections.abc import Callable, Sequence

from .api.names import ANNOTATION_SPEC_HASH, ANNOTATION_UPSTREAM, LABEL_MANAGED_BY, MANAGED_BY, NETWORK_POLICY
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
from .render.upstream_key import upstream_secret
from .upstream import UpstreamKeys

# A namespace whose policy another worker sees to is looked at once more.
AGAIN_SECONDS = 0.5
# A policy of our name that somebody else made is not asked about again so soon.
STRANGE_SECONDS = 300.0
# A pod that has been starting for so long may lack a Secret that somebody deleted. The operator may not look at it, but
# it may try to create it.
START_SECONDS = 45.0


class PolicyKeeper:
    """Makes policy and keys of a namespace what its models need."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is a room that it works with
        self,
        client: Client,
        caches: Caches,
        children: Children,
        clients: Sequence[Manifest],
        again: Callable[[Key, float], None],
        clock: Callable[[], float],
        keys: UpstreamKeys | None,
    ) -> None:
        self._clients = clients
        self._client = client
        self._caches = caches
        self._children = children
        self._again = again
        self._clock = clock
        self._keys = keys
        self._keeping: set[str] = set()
        self._starting: dict[Key, float] = {}
        self._doubted: set[str] = set()
        self._strange: dict[str, float] = {}

    async def keep(self, namespace: str) -> None:
        """Both exist while the namespace has a model; the keys stay, for nothing else tells whose they were.

        One worker at a time sees to it.
        """
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

    def watch_start(self, key: Key, *, starting: bool) -> None:
        """Doubt the keys of a namespace when pods of a model do not get further than their volumes."""
        if self._keys is None or not starting:
            self._starting.pop(key, None)
        elif self._clock() - self._starting.setdefault(key, self._clock()) >= START_SECONDS:
            del self._starting[key]
            self._doubted.add(key[0])

    async def _apply(self, namespace: str) -> None:
        """One that we did not make is somebody else's, whatever its name."""
        resource = resources.POLICIES
        live = self._caches[resource].get(namespace, NETWORK_POLICY)
        keys = await self._hand_out(namespace, live)
        manifest = network_policy(namespace, self._clients, keys)
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

    async def _hand_out(self, namespace: str, policy: Child | None) -> str:
        """See to the Secret with the keys, unless the policy says that it holds these; which keys they are."""
        if self._keys is None:
            return ""
        if (ring := self._keys.ring) is None:
            raise self._keys.trouble or AssertionError("there is neither a ring nor trouble")
        manifest, written = upstream_secret(namespace, ring), ring.identity()
        if policy is None or policy.metadata.annotations.get(ANNOTATION_UPSTREAM) != written:
            await self._client.apply(resources.SECRETS, manifest, "keys")
        elif namespace in self._doubted:
            with contextlib.suppress(ConflictError):
                await self._client.create(resources.SECRETS, manifest)
        self._doubted.discard(namespace)
        return written


def _is_ours(live: Child) -> bool:
    """By the label, or by the hash if somebody took the label away."""
    metadata = live.metadata
    return metadata.labels.get(LABEL_MANAGED_BY) == MANAGED_BY or ANNOTATION_SPEC_HASH in metadata.annotations
