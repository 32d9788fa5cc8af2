"""Whether a model still is there, asked of the API server itself: kopf does not tell of every deletion."""

import msgspec

from .api.model_deployment import ModelDeployment
from .caches import Caches
from .kube import resources
from .kube.client import Client
from .kube.errors import NotFoundError
from .reading import from_raw


async def forget_if_gone(client: Client, caches: Caches, model: ModelDeployment) -> bool:
    """Whether a model was deleted, though another one of its name may be there; the cache forgets it then."""
    metadata = model.metadata
    try:
        raw = await client.get(resources.MODEL_DEPLOYMENTS, metadata.namespace, metadata.name)
    except NotFoundError:
        gone = True
    else:
        found = from_raw(msgspec.Raw(raw)).metadata
        gone = found.uid != metadata.uid or found.deletion_timestamp is not None
    if gone:
        caches.remove_model((metadata.namespace, metadata.name), metadata.uid)
    return gone
