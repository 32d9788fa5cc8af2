"""CEL rules of the CRDs: what no schema can say, each with a message that tells what to do. Pure data."""

from msgspec import Struct

from .api.accelerator_profile import AcceleratorProfileSpec
from .api.gpus import Gpu, GpuAlternative
from .api.inference_key import InferenceKey, RateLimit, Rotation
from .api.model_deployment import ModelDeployment, ModelDeploymentSpec, ModelSource, Server
from .api.model_runtime import ModelRuntimeSpec


class Rule(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One validation; Kubernetes evaluates it on create and update."""

    rule: str
    message: str
    field_path: str = ""


_LOAD_TIMEOUT = "(has(self.server) && has(self.server.loadTimeout) ? self.server.loadTimeout : '10m')"
_PLAIN_RESOURCE = "name in ['cpu', 'memory', 'ephemeral-storage'] || name.startsWith('hugepages-')"

_KIND = (
    "has(self.product) || has(self.memory) || has(self.resourceName) || has(self.vendor) || has(self.mig) || "
    "has(self.shares)"
)
_BY_CLAIM = (
    "has(self.deviceClassName) || has(self.selectors) || has(self.alternatives) || has(self.resourceClaimTemplateName)"
)

RULES: dict[type, list[Rule]] = {
    ModelDeployment: [
        Rule(
            "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$')",
            "metadata.name must begin with a letter, hold only a-z, 0-9 and '-', and be at most 50 characters long: "
            "it becomes the name of a Service",
        ),
    ],
    ModelRuntimeSpec: [
        Rule(
            "!has(self.grpcPort) || self.grpcPort != self.port",
            "grpcPort must be another port than port: the server cannot listen twice on one",
            ".grpcPort",
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
            f"!has(self.profile) || !({_KIND} || {_BY_CLAIM})",
            "gpu.profile already says what kind of GPU: give either the profile or the other fields; beside it only "
            "gpu.count and gpu.allocation",
            ".profile",
        ),
        Rule(
            "!has(self.resourceName) || !(has(self.product) || has(self.memory))",
            "gpu.product and gpu.memory are read from NVIDIA's node labels and cannot go with gpu.resourceName: "
            "use scheduling.nodeSelector beside it",
            ".resourceName",
        ),
        Rule(
            f"!has(self.resourceName) || !(has(self.mig) || has(self.shares) || {_BY_CLAIM})",
            "gpu.resourceName is the whole name of an extended resource: leave out gpu.mig, gpu.shares and what is for "
            "DRA, or leave out gpu.resourceName",
            ".resourceName",
        ),
        Rule(
            "!(has(self.product) || has(self.memory)) || !has(self.vendor) || self.vendor == 'nvidia' || "
            f"self.allocation == 'DRA' || {_BY_CLAIM}",
            "gpu.product and gpu.memory are read from NVIDIA's node labels: for another vendor use "
            "scheduling.nodeSelector, or set gpu.allocation to DRA",
            ".vendor",
        ),
        Rule(
            "!(has(self.mig) || has(self.shares)) || !has(self.vendor) || self.vendor == 'nvidia'",
            "gpu.mig and gpu.shares are NVIDIA's: for another vendor use gpu.resourceName",
            ".vendor",
        ),
        Rule(
            "!has(self.mig) || !(has(self.product) || has(self.memory))",
            "gpu.mig already says how much memory a slice has: leave out gpu.product and gpu.memory",
            ".mig",
        ),
        Rule(
            "!has(self.shares) || self.count == 1",
            "gpu.shares counts parts of one GPU: leave out gpu.count",
            ".shares",
        ),
        Rule(
            f"self.allocation != 'ExtendedResource' || !({_BY_CLAIM})",
            "gpu.deviceClassName, selectors, alternatives and resourceClaimTemplateName can only be asked for by a "
            "claim: set gpu.allocation to DRA or Auto",
            ".allocation",
        ),
        Rule(
            f"!(self.allocation == 'DRA' || {_BY_CLAIM}) || !(has(self.resourceName) || has(self.shares))",
            "a claim (DRA) knows neither gpu.resourceName nor gpu.shares: set gpu.allocation to ExtendedResource, or "
            "leave them out",
            ".allocation",
        ),
        Rule(
            f"!(self.allocation == 'DRA' || {_BY_CLAIM}) || self.count <= 32",
            "a claim (DRA) holds at most 32 devices: lower gpu.count",
            ".count",
        ),
        Rule(
            "!has(self.alternatives) || !(has(self.product) || has(self.memory) || has(self.mig) || "
            "has(self.selectors) || has(self.deviceClassName))",
            "each of gpu.alternatives says product, memory, mig, selectors and deviceClassName for itself: move these "
            "fields there",
            ".alternatives",
        ),
        Rule(
            "!has(self.resourceClaimTemplateName) || !(has(self.vendor) || has(self.product) || has(self.memory) || "
            "has(self.mig) || has(self.selectors) || has(self.alternatives) || has(self.deviceClassName))",
            "gpu.resourceClaimTemplateName names a template that says everything: beside it only gpu.count, the number "
            "of GPUs that the template gives",
            ".resourceClaimTemplateName",
        ),
    ],
    GpuAlternative: [
        Rule(
            "!has(self.mig) || !(has(self.product) || has(self.memory))",
            "mig already says how much memory a slice has: leave out product and memory",
            ".mig",
        ),
    ],
    AcceleratorProfileSpec: [
        Rule(
            "!((has(self.product) && size(self.product) > 0) || has(self.memory)) || self.vendor == 'nvidia' || "
            "has(self.deviceClassName)",
            "product and memory are read from NVIDIA's node labels: for another vendor use nodeSelector, or "
            "deviceClassName with DRA",
            ".vendor",
        ),
        Rule(
            "!(has(self.mig) || has(self.shares)) || self.vendor == 'nvidia'",
            "mig and shares are NVIDIA's: for another vendor use resourceName",
            ".vendor",
        ),
        Rule(
            "!has(self.mig) || !(has(self.product) || has(self.memory))",
            "mig already says how much memory a slice has: leave out product and memory",
            ".mig",
        ),
        Rule(
            "!has(self.resourceName) || !(has(self.mig) || has(self.shares) || has(self.deviceClassName))",
            "resourceName is the whole name of an extended resource: leave out mig, shares and deviceClassName, or "
            "leave out resourceName",
            ".resourceName",
        ),
        Rule(
            "!has(self.deviceClassName) || !has(self.shares)",
            "a claim (DRA) knows no shares: leave out shares or deviceClassName",
            ".deviceClassName",
        ),
    ],
    InferenceKey: [
        Rule(
            "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?$')",
            "metadata.name must hold only a-z, 0-9 and '-', and be at most 50 characters long: "
            "it names the key's Secret and stands in every line of the audit log",
        ),
    ],
    RateLimit: [
        Rule(
            "has(self.requestsPerMinute) || has(self.tokensPerMinute)",
            "rateLimit must say requestsPerMinute, tokensPerMinute or both; leave it out for no limit",
        ),
    ],
    Rotation: [
        Rule(
            "duration(self.overlap) <= duration('2160h')",
            "rotation.overlap must be at most 2160h (90 days): a key that was replaced is to end",
            ".overlap",
        ),
    ],
}
