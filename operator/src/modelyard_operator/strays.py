"""Old Deployments that lost the label by which they are watched: pods of theirs that run tell of them."""

from collections.abc import Callable, Sequence

from .api.model_deployment import ModelDeployment
from .api.names import LABEL_REVISION, model_labels
from .cache import Key
from .children import Children
from .kube import resources
from .kube.client import Client
from .kube.errors import NotFoundError
from .render.deployment import deployment_name

# Pods outlive a Deployment that was deleted, most often for a second; only after so long it is asked for.
SEEK_SECONDS = 20.0


class Strays:
    """Finds Deployments of old revisions that no list and no watch shows any more."""

    def __init__(
        self, client: Client, children: Children, again: Callable[[Key, float], None], clock: Callable[[], float]
    ) -> None:
        self._client = client
        self._children = children
        self._again = again
        self._clock = clock
        self._due: dict[Key, float] = {}

    def forget(self, key: Key) -> None:
        """A model is gone."""
        self._due.pop(key, None)

    async def recover(self, model: ModelDeployment, revisions: Sequence[str]) -> None:
        """Give the Deployments of these revisions their labels back: so they are seen, scaled and removed again."""
        key = model.metadata.namespace, model.metadata.name
        if not revisions:
            self.forget(key)
            return
        now = self._clock()
        due = self._due.setdefault(key, now + SEEK_SECONDS)
        if now < due:
            self._again(key, due - now)
            return
        self._due[key] = now + SEEK_SECONDS
        self._again(key, SEEK_SECONDS)
        for revision in revisions:
            await self._relabel(model, revision)

    async def _relabel(self, model: ModelDeployment, revision: str) -> None:
        resource, parent = resources.DEPLOYMENTS, model.metadata
        try:
            found = await self._children.look(resource, parent.namespace, deployment_name(parent.name, revision))
        except NotFoundError:
            return
        if not found.metadata.controlled_by(parent.uid):
            return
        labels = model_labels(parent.name) | {LABEL_REVISION: revision}
        await self._children.taken(resource, self._client.label(resource, found.metadata, labels))
        self._again((parent.namespace, parent.name), 0)
