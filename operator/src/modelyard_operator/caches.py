"""All stores of the operator, and which models an event concerns."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Set

from .api.model_deployment import ModelDeployment
from .cache import Key, Store, after, key_of, model_of, newer
from .kube import resources
from .kube.resources import Resource
from .observed import Observed
from .revision import Catalog
from .sharing import shared

# The key of a whole namespace: its NetworkPolicy belongs to no single model.
NAMESPACE = ""
# Uids of deleted models that are remembered; a list of so many models takes far less time than they last.
REMEMBERED = 10_000


class Caches:
    """One store for each kind; every change puts the keys it concerns in the queue.

    `enqueue` is for what must be done now, `settle` for children: several pods that change within a
    moment then cost one reconcile and one status, not one each.
    """

    def __init__(self, enqueue: Callable[[Key], None], settle: Callable[[Key], None]) -> None:
        self._enqueue = enqueue
        self._settle = settle
        self._models: dict[Key, ModelDeployment] = {}
        self._unready: dict[Key, None] = {}  # in order, so that the same events give the same queue
        self._in_namespace: Counter[str] = Counter()
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._catalog: Catalog | None = None
        self._devices_served = False
        self._stores = {
            resources.MODEL_RUNTIMES: Store(self._catalog_changed),
            resources.ACCELERATOR_PROFILES: Store(self._catalog_changed),
            resources.NODES: Store(self._node_changed),
            resources.POLICIES: Store(lambda found: enqueue((found.metadata.namespace, NAMESPACE))),
            resources.DEVICE_CLASSES: Store(self._catalog_changed),
            **{kind: Store(self._child_changed) for kind in (resources.PODS, *_CHILDREN)},
        }

    def __getitem__(self, resource: Resource) -> Store:
        return self._stores[resource]

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._stores)

    def observed(self, model: ModelDeployment) -> Observed:
        """What is known of one model: objects that it controls, and its pods."""
        namespace, name, uid = model.metadata.namespace, model.metadata.name, model.metadata.uid

        def owned(resource: Resource) -> list[object]:
            return [one for one in self[resource].of_model(namespace, name) if one.metadata.controlled_by(uid)]

        return Observed(
            deployments=owned(resources.DEPLOYMENTS),  # type: ignore[arg-type]
            pods=self[resources.PODS].of_model(namespace, name),
            history=owned(resources.HISTORY),  # type: ignore[arg-type]
            services=owned(resources.SERVICES),  # type: ignore[arg-type]
            budgets=owned(resources.BUDGETS),  # type: ignore[arg-type]
            claim_templates=owned(resources.CLAIM_TEMPLATES),  # type: ignore[arg-type]
            claims=self[resources.CLAIMS].of_model(namespace, name),
        )

    def catalog(self) -> Catalog:
        """What the platform team offers, and the nodes; made again only after one of them changed."""
        if self._catalog is None:
            self._catalog = Catalog(
                runtimes={one.metadata.name: one for one in self[resources.MODEL_RUNTIMES]},
                profiles={one.metadata.name: one for one in self[resources.ACCELERATOR_PROFILES]},
                nodes=list(self[resources.NODES]),
                device_classes=frozenset(one.metadata.name for one in self[resources.DEVICE_CLASSES])
                if self._devices_served
                else None,
            )
        return self._catalog

    def serve_devices(self) -> None:
        """The API server serves resource.k8s.io/v1: its DeviceClasses are part of the catalogue from now on."""
        self._devices_served = True
        self._catalog_changed(None)

    def model(self, key: Key) -> ModelDeployment | None:
        """The ModelDeployment of a key, unless it is gone or going."""
        return self._models.get(key)

    def put_model(self, model: ModelDeployment) -> bool:
        """Take a model that was seen; False when it is old news. One that is being deleted counts as gone."""
        key, metadata = key_of(model.metadata), model.metadata
        before = self._models.get(key)
        if metadata.uid in self._gone or (before is not None and not newer(metadata, before.metadata)):
            return False
        if metadata.deletion_timestamp is not None:
            self.remove_model(key, metadata.uid)
            return True
        self._models[key] = shared(model)
        if model.is_ready():
            self._unready.pop(key, None)
        else:
            self._unready[key] = None
        self._in_namespace[key[0]] += before is None
        return True

    def remove_model(self, key: Key, uid: str) -> None:
        """Forget a model for good: a list or an event that is late must not bring it back."""
        self._gone[uid] = None
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)
        model = self._models.get(key)
        if model is not None and model.metadata.uid == uid:
            del self._models[key]
            self._unready.pop(key, None)
            self._in_namespace[key[0]] -= 1

    def end_model_list(self, namespace: str, seen: Set[Key], version: str) -> list[Key]:
        """The whole list was put: forget what it lacks, unless it is younger than the list; the keys of what went."""
        gone = [
            (key, model.metadata.uid)
            for key, model in self._models.items()
            if key not in seen and namespace in ("", key[0]) and not after(model.metadata.resource_version, version)
        ]
        for key, uid in gone:
            self.remove_model(key, uid)
        return [key for key, _ in gone]

    def has_models(self, namespace: str) -> bool:
        """Whether a namespace has any ModelDeployment."""
        return self._in_namespace[namespace] > 0

    def namespaces(self) -> list[str]:
        """Namespaces with models."""
        return sorted(name for name, count in self._in_namespace.items() if count > 0)

    def _child_changed(self, found: object) -> None:
        metadata = found.metadata  # type: ignore[attr-defined]
        if model := model_of(metadata):
            self._settle((metadata.namespace, model))

    def _node_changed(self, _: object) -> None:
        """What a model waits for is told in numbers of nodes, and they are others now."""
        self._catalog = None
        for key in self._unready:
            self._settle(key)

    def _catalog_changed(self, _: object) -> None:
        """A model that is Ready keeps the revision that it has; only one that is not may be helped by the change."""
        self._catalog = None
        for key in self._unready:
            self._enqueue(key)


_CHILDREN = (
    resources.DEPLOYMENTS,
    resources.SERVICES,
    resources.HISTORY,
    resources.BUDGETS,
    resources.CLAIM_TEMPLATES,
    resources.CLAIMS,
)
