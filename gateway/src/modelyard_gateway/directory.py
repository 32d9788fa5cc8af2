"""Models and their addresses, as the API server tells them. Pure; watches put objects in.

A model is there while its ModelDeployment is, and serves while an EndpointSlice of its Service has a ready address.
"""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from modelyard_gateway.access.target import Protocol
from modelyard_operator.api.model_deployment import Access
from modelyard_operator.api.names import API_VERSION, LABEL_MODEL, MANAGED_SELECTOR
from modelyard_operator.api.objects import ObjectMeta
from modelyard_operator.cache import Key, Store
from modelyard_operator.kube.resources import Resource


class EndpointConditions(Struct, frozen=True, gc=False):
    """Whether an address answers; absent means yes."""

    ready: bool | None = None


class Endpoint(Struct, frozen=True, gc=False):
    """A pod."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()


class EndpointPort(Struct, frozen=True, gc=False):
    """A port of all of them."""

    name: str = ""
    port: int = 0


class EndpointSlice(Struct, frozen=True, gc=False):
    """Addresses of one Service."""

    metadata: ObjectMeta
    endpoints: tuple[Endpoint, ...] | None = ()
    ports: tuple[EndpointPort, ...] | None = ()


class ModelSpec(Struct, frozen=True, gc=False):
    """What of a spec matters on the way to the model."""

    access: Access = Access()


class ModelMeta(Struct, frozen=True, gc=False):
    """A ModelDeployment: that it is there, and who may ask it."""

    metadata: ObjectMeta
    spec: ModelSpec = ModelSpec()


MODELS = Resource("ModelDeployment", API_VERSION, "modeldeployments", ModelMeta)
SLICES = Resource("EndpointSlice", "discovery.k8s.io/v1", "endpointslices", EndpointSlice, selector=MANAGED_SELECTOR)
Address = tuple[str, int]


class Place(Struct, frozen=True):
    """Where one model answers, by protocol; a port without any ready address is left out."""

    namespace: str
    name: str
    addresses: dict[Protocol, tuple[Address, ...]]

    def cluster(self, protocol: Protocol) -> str | None:
        """Envoy's name of the pods that serve a protocol; None when none does."""
        return cluster_name(self.namespace, self.name, protocol) if self.addresses.get(protocol) else None


def cluster_name(namespace: str, name: str, protocol: Protocol) -> str:
    """The name of a cluster; no part of it can hold a dot."""
    return f"{namespace}.{name}.{protocol}"


class Directory:
    """All models, by namespace and name; `changed` hears of each whose addresses may be others now."""

    def __init__(self, changed: Callable[[Key], None]) -> None:
        self._changed = changed
        self.models = Store(lambda found: changed((found.metadata.namespace, found.metadata.name)))
        self.slices = Store(self._slice_changed)

    def find(self, namespace: str, name: str) -> Place | None:
        """Where a model answers; None when there is no such model."""
        if self.models.get(namespace, name) is None:
            return None
        return Place(namespace, name, addresses(self.slices.of_model(namespace, name)))

    def metadata(self, namespace: str, name: str) -> ObjectMeta | None:
        """Metadata of a model; None when there is no such model."""
        found = self.models.get(namespace, name)
        return found.metadata if found else None

    def by_namespace(self) -> dict[str, list[str]]:
        """Names of all models."""
        found: dict[str, list[str]] = {}
        for one in self.models:
            found.setdefault(one.metadata.namespace, []).append(one.metadata.name)
        return found

    def is_public(self, namespace: str, name: str) -> bool:
        """Whether a model says that everybody may ask it."""
        model: ModelMeta | None = self.models.get(namespace, name)
        return model is not None and model.spec.access.mode == "Public"

    def _slice_changed(self, found: Any) -> None:
        metadata = found.metadata
        if model := metadata.labels.get(LABEL_MODEL):
            self._changed((metadata.namespace, model))


def addresses(slices: Sequence[EndpointSlice]) -> dict[Protocol, tuple[Address, ...]]:
    """Ready addresses by protocol, each once and in order, so that the same pods give the same file."""
    found: dict[Protocol, tuple[Address, ...]] = {}
    protocols: tuple[Protocol, ...] = ("http", "grpc")
    for protocol in protocols:
        ready = {
            (endpoint.addresses[0], port.port)
            for one in slices
            for port in one.ports or ()
            if port.name == protocol
            for endpoint in one.endpoints or ()
            if endpoint.addresses and endpoint.conditions.ready is not False
        }
        if ready:
            found[protocol] = tuple(sorted(ready))
    return found
