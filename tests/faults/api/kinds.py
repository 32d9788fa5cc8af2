"""The kinds that the fake serves."""

from typing import NamedTuple


class Kind(NamedTuple):
    """One kind, and how the server treats it."""

    name: str
    group: str  # empty for the core group
    version: str
    plural: str
    namespaced: bool = True
    status: bool = False  # whether status is a subresource of its own
    custom: bool = False  # whether a CRD defines it

    @property
    def api_version(self) -> str:
        """As in an object."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """Path under which its group and version are served."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


MODELS = Kind("ModelDeployment", "modelyard.dev", "v1alpha1", "modeldeployments", status=True, custom=True)
RUNTIMES = Kind("ModelRuntime", "modelyard.dev", "v1alpha1", "modelruntimes", namespaced=False, custom=True)
PROFILES = Kind("AcceleratorProfile", "modelyard.dev", "v1alpha1", "acceleratorprofiles", namespaced=False, custom=True)
NODES = Kind("Node", "", "v1", "nodes", namespaced=False, status=True)
PODS = Kind("Pod", "", "v1", "pods", status=True)
SERVICES = Kind("Service", "", "v1", "services", status=True)
CONFIG_MAPS = Kind("ConfigMap", "", "v1", "configmaps")
DEPLOYMENTS = Kind("Deployment", "apps", "v1", "deployments", status=True)
HISTORY = Kind("ControllerRevision", "apps", "v1", "controllerrevisions")
BUDGETS = Kind("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets", status=True)
POLICIES = Kind("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies")
SECRETS = Kind("Secret", "", "v1", "secrets")
LEASES = Kind("Lease", "coordination.k8s.io", "v1", "leases")
# Nobody reads or writes these, but kopf does not begin before it has seen that they are served.
SCANNED = (
    Kind("Namespace", "", "v1", "namespaces", namespaced=False),
    Kind("Event", "", "v1", "events"),
    Kind("CustomResourceDefinition", "apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False),
)

KINDS = (
    MODELS,
    RUNTIMES,
    PROFILES,
    NODES,
    PODS,
    SERVICES,
    CONFIG_MAPS,
    DEPLOYMENTS,
    HISTORY,
    BUDGETS,
    POLICIES,
    SECRETS,
    LEASES,
    *SCANNED,
)
BY_PATH = {(kind.root, kind.plural): kind for kind in KINDS}
BY_NAME = {kind.name: kind for kind in KINDS}
