"""What happens in a cluster beside the operator, as timed reactions to changes of the storage.

garbage      objects whose owner is gone are deleted
deployments  Deployment -> pods, and its status
placement    pod -> node, by GPUs, labels and selectors
kubelet      pod -> fetched, loaded, ready, or failing in one of the ways that the operator must tell
"""

import random
from collections.abc import Callable
from datetime import datetime

from faults.api.storage import Storage
from faults.api.verbs import Verbs

from .deployments import Deployments
from .garbage import Garbage
from .kubelet import Kubelet

Later = Callable[[float, Callable[[], None]], object]


class World:
    """All of it, at a pace by seed."""

    def __init__(self, verbs: Verbs, later: Later, now: Callable[[], datetime], chance: random.Random) -> None:
        storage: Storage = verbs.storage
        self.garbage = Garbage(verbs, later, chance)
        self.kubelet = Kubelet(verbs, later, chance)
        self.deployments = Deployments(verbs, later, now, chance)
        storage.listeners += [self.garbage.changed, self.kubelet.changed, self.deployments.changed]
