"""Children that lost the label by which they are watched: no list and no watch shows them any more."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from .api.model_deployment import ModelDeployment
from .api.names import LABEL_REVISION, model_labels
from .cache import Key
from .caches import Caches
from .children import Children
from .kube import resources
from .kube.client import Client
from .kube.errors import NotFoundError
from .kube.resources import Resource
from .render.deployment import deployment_name

# What went was most often deleted, and its pods outlive a Deployment for a second; only after so long it is asked for.
SEEK_SECONDS = 20.0


class Strays:
    """Finds children that are not asked for any more, so that no apply meets them, and that somebody unlabelled."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        children: Children,
        again: Callable[[Key, float], None],
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._caches = caches
        self._children = children
        self._again = again
        self._clock = clock
        self._due: dict[Key, float] = {}

    def forget(self, key: Key) -> None:
        """A model is gone."""
        self._due.pop(key, None)
        self._sought(key)

    def _sought(self, key: Key) -> None:
        for resource in resources.WRITTEN.values():
            self._caches[resource].sought(*key)

    async def recover(self, model: ModelDeployment, revisions: Sequence[str]) -> None:
        """Give missing children their labels back, so that they are seen, scaled and removed again.

        `revisions` have pods that run, and no Deployment. The other children were seen once, and then not any more.
        """
        key = namespace, name = model.metadata.namespace, model.metadata.name
        caches = self._caches
        missing = [(kind, one) for kind in resources.WRITTEN.values() for one in caches[kind].missing(namespace, name)]
        if not missing and not revisions:
            self.forget(key)
            return
        now = self._clock()
        due = self._due.setdefault(key, now + SEEK_SECONDS)
        if now < due:
            self._again(key, due - now)
            return
        self._due[key] = now + SEEK_SECONDS
        relabel = partial(self._relabel, model)
        found = [
            await relabel(resources.DEPLOYMENTS, deployment_name(name, revision), {LABEL_REVISION: revision})
            for revision in revisions
        ]
        found += [await relabel(resource, child, {}) for resource, child in missing]
        self._sought(key)
        self._again(key, 0 if any(found) else SEEK_SECONDS)

    async def _relabel(self, model: ModelDeployment, resource: Resource, name: str, more: Mapping[str, str]) -> bool:
        """Whether there is such a child of the model; it has its labels then."""
        parent = model.metadata
        try:
            found = await self._children.look(resource, parent.namespace, name)
        except NotFoundError:
            return False
        if not found.metadata.controlled_by(parent.uid):
            return False
        labels = {**model_labels(parent.name), **more}
        await self._children.taken(resource, self._client.label(resource, found.metadata, labels))
        return True
