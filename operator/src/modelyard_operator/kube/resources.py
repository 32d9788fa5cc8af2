"""The kinds that the operator reads and writes, and where the API server keeps them. Pure."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from modelyard_operator.api.accelerator_profile import AcceleratorProfile
from modelyard_operator.api.inference_key import InferenceKey
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.model_runtime import ModelRuntime
from modelyard_operator.api.names import API_VERSION, MANAGED_SELECTOR
from modelyard_operator.api.objects import Child, DeviceClass, Node, Pod, ResourceClaim
from modelyard_operator.reading import child_from_raw, from_raw, node_from_raw, pod_from_raw

DEVICE_API = "resource.k8s.io/v1"


class Resource(Struct, frozen=True):
    """One kind: its path, the type it is decoded to, and which of its objects are watched."""

    kind: str
    api_version: str
    plural: str
    type: type[Struct]
    namespaced: bool = True
    selector: str = ""
    reader: Callable[[msgspec.Raw], Any] | None = None

    def decode(self, raw: msgspec.Raw) -> Any:
        """An object of the kind from JSON; a MsgspecError when it cannot be read."""
        return self.reader(raw) if self.reader else msgspec.json.decode(raw, type=self.type, strict=False)

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Path of a collection, of an object, or of its subresource."""
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [f"{root}/{self.api_version}"]
        if self.namespaced and namespace:
            parts.append(f"namespaces/{namespace}")
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


MODEL_DEPLOYMENTS = Resource("ModelDeployment", API_VERSION, "modeldeployments", ModelDeployment, reader=from_raw)
MODEL_RUNTIMES = Resource("ModelRuntime", API_VERSION, "modelruntimes", ModelRuntime, namespaced=False)
ACCELERATOR_PROFILES = Resource(
    "AcceleratorProfile", API_VERSION, "acceleratorprofiles", AcceleratorProfile, namespaced=False
)
INFERENCE_KEYS = Resource("InferenceKey", API_VERSION, "inferencekeys", InferenceKey)
# Written, never read.
SECRETS = Resource("Secret", "v1", "secrets", Child)
NODES = Resource("Node", "v1", "nodes", Node, namespaced=False, reader=node_from_raw)
PODS = Resource("Pod", "v1", "pods", Pod, selector=MANAGED_SELECTOR, reader=pod_from_raw)
DEPLOYMENTS = Resource("Deployment", "apps/v1", "deployments", Child, selector=MANAGED_SELECTOR, reader=child_from_raw)
SERVICES = Resource("Service", "v1", "services", Child, selector=MANAGED_SELECTOR, reader=child_from_raw)
HISTORY = Resource(
    "ControllerRevision", "apps/v1", "controllerrevisions", Child, selector=MANAGED_SELECTOR, reader=child_from_raw
)
BUDGETS = Resource(
    "PodDisruptionBudget", "policy/v1", "poddisruptionbudgets", Child, selector=MANAGED_SELECTOR, reader=child_from_raw
)
POLICIES = Resource(
    "NetworkPolicy", "networking.k8s.io/v1", "networkpolicies", Child, selector=MANAGED_SELECTOR, reader=child_from_raw
)
DEVICE_CLASSES = Resource("DeviceClass", DEVICE_API, "deviceclasses", DeviceClass, namespaced=False)
CLAIM_TEMPLATES = Resource(
    "ResourceClaimTemplate",
    DEVICE_API,
    "resourceclaimtemplates",
    Child,
    selector=MANAGED_SELECTOR,
    reader=child_from_raw,
)
CLAIMS = Resource("ResourceClaim", DEVICE_API, "resourceclaims", ResourceClaim, selector=MANAGED_SELECTOR)

SECRETS = Resource("Secret", "v1", "secrets", Child)
EVENTS = Resource("Event", "v1", "events", Child)

_OWNED = (DEPLOYMENTS, SERVICES, HISTORY, BUDGETS, POLICIES)
WRITTEN = {one.kind: one for one in (*_OWNED, CLAIM_TEMPLATES)}
WATCHED = (MODEL_RUNTIMES, ACCELERATOR_PROFILES, NODES, PODS, *_OWNED)
# Watched only where the API server serves them.
DEVICE_KINDS = (DEVICE_CLASSES, CLAIM_TEMPLATES, CLAIMS)
