"""CEL rules of the CRDs: what no schema can say, each with a message that tells what to do. Pure data."""

from msgspec import Struct

from .api.accelerator_profile import AcceleratorProfileSpec
from .api.model_deployment import Gpu, ModelDeployment, ModelDeploymentSpec, ModelSource, Server


class Rule(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One validation; Kubernetes evaluates it on create and update."""

    rule: str
    message: str
    field_path: str = ""


_LOAD_TIMEOUT = "(has(self.server) && has(self.server.loadTimeout) ? self.server.loadTimeout : '10m')"
_PLAIN_RESOURCE = "name in ['cpu', 'memory', 'ephemeral-storage'] || name.startsWith('hugepages-')"

RULES: dict[type, list[Rule]] = {
    ModelDeployment: [
        Rule(
            "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$')",
            "metadata.name must begin with a letter, hold only a-z, 0-9 and '-', and be at most 50 characters long: "
            "it becomes the name of a Service",
        ),
    ],
    ModelDeploymentSpec: [
        Rule(
            "!has(self.rollout) || !has(self.rollout.progressDeadline) || "
            f"duration(self.rollout.progressDeadline) > duration({_LOAD_TIMEOUT})",
            "rollout.progressDeadline must be longer than server.loadTimeout (10m unless set): "
            "else a model that is still loading would be called stuck",
            ".rollout",
        ),
        Rule(
            "!has(self.resources) || "
            f"((!has(self.resources.limits) || self.resources.limits.all(name, {_PLAIN_RESOURCE})) && "
            f"(!has(self.resources.requests) || self.resources.requests.all(name, {_PLAIN_RESOURCE})))",
            "resources holds cpu, memory, ephemeral-storage and hugepages; ask for GPUs and other devices in spec.gpu "
            "(gpu.count, gpu.resourceName)",
            ".resources",
        ),
    ],
    ModelSource: [
        Rule(
            "self.uri.matches('^(s3|pvc|https)://[^/]+/.+$')",
            "model.uri must be s3://bucket/path, pvc://claim/path or https://host/path",
            ".uri",
        ),
        Rule(
            "!self.uri.matches('^[a-z0-9]+://[^/]*@')",
            "model.uri must not hold a user or a password: put them into a Secret and name it in model.credentials",
            ".uri",
        ),
    ],
    Server: [
        Rule(
            "duration(self.loadTimeout) >= duration('1s')",
            "server.loadTimeout must be at least 1s: a model that may take no time to load can never be ready",
            ".loadTimeout",
        ),
    ],
    Gpu: [
        Rule(
            "!has(self.profile) || "
            "!(has(self.product) || has(self.memory) || has(self.resourceName) || has(self.vendor))",
            "gpu.profile already says vendor, product, memory and resourceName: give either the profile or these",
            ".profile",
        ),
        Rule(
            "!has(self.resourceName) || !(has(self.product) || has(self.memory))",
            "gpu.product and gpu.memory are read from NVIDIA's node labels and cannot go with gpu.resourceName: "
            "use scheduling.nodeSelector beside it",
            ".resourceName",
        ),
        Rule(
            "!(has(self.product) || has(self.memory)) || !has(self.vendor) || self.vendor == 'nvidia'",
            "gpu.product and gpu.memory are read from NVIDIA's node labels: for another vendor use "
            "scheduling.nodeSelector",
            ".vendor",
        ),
    ],
    AcceleratorProfileSpec: [
        Rule(
            "!((has(self.product) && size(self.product) > 0) || has(self.memory)) || self.vendor == 'nvidia'",
            "product and memory are read from NVIDIA's node labels: for another vendor use nodeSelector",
            ".vendor",
        ),
    ],
}
