"""What a spec asks of its pods, resolved and hashed: a revision. Pure.

Two hashes keep an admin's edit from restarting every model. The *intent* covers only what the user wrote. The *name* of
a revision covers everything that went into the pods: the runtime's image, the profile, the fetch image. A revision that
was Ready once is written down as a ControllerRevision and kept for as long as the intent stays the same; until then
each reconcile resolves anew, so a corrected ModelRuntime helps a model that never started.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from . import model_uri
from .api.accelerator_profile import AcceleratorProfile
from .api.model_deployment import ModelDeployment, ModelSource, Resources, Scheduling, Server
from .api.model_runtime import PACKAGE_FORMAT, ModelRuntime, ModelRuntimeSpec
from .api.names import ANNOTATION_REFRESH
from .api.objects import Node
from .fingerprint import fingerprint
from .gpu import GpuRequest
from .gpu import resolve as resolve_gpu
from .reasons import Reason, Unresolved


class Defaults(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the operator's settings add to every model."""

    fetch_image: str
    image_pull_policy: str = "IfNotPresent"
    object_store_endpoint: str = ""
    object_store_region: str = "us-east-1"
    credentials: str = "modelyard-object-store"
    upstream_key: bool = False


class Catalog(Struct, frozen=True):
    """What the platform team offers, and what the cluster has."""

    runtimes: Mapping[str, ModelRuntime]
    profiles: Mapping[str, AcceleratorProfile]
    nodes: Sequence[Node]
    # Names of DeviceClasses; None where the API server does not serve resource.k8s.io/v1.
    device_classes: frozenset[str] | None = None


class Resolved(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Everything that goes into the pods of one revision."""

    intent: str
    model: ModelSource
    runtime_name: str
    runtime: ModelRuntimeSpec
    resources: Resources
    server: Server
    scheduling: Scheduling
    defaults: Defaults
    gpu: GpuRequest | None = None
    pod_template: dict[str, Any] | None = None
    name: str = ""
    # The pods as they were rendered when the revision was first Ready: a later operator must not render them anew.
    rendered: dict[str, Any] | None = None

    def named(self) -> "Resolved":
        """The same with its name, the fingerprint of its content."""
        return msgspec.structs.replace(self, name=fingerprint(self))


def intent(parent: ModelDeployment) -> str:
    """Hash of what the user asks of the pods. Replicas and rollout change no pod, so they are not part of it."""
    spec = parent.spec
    asked = (
        spec.model,
        spec.runtime,
        spec.resources,
        spec.gpu,
        spec.server,
        spec.scheduling,
        spec.pod_template,
        parent.metadata.annotations.get(ANNOTATION_REFRESH, ""),
    )
    return fingerprint(asked)


def resolve(parent: ModelDeployment, catalog: Catalog, defaults: Defaults) -> Resolved | Unresolved:
    """The revision that the spec asks for, or why there is none."""
    spec = parent.spec
    if parent.unreadable:
        return Unresolved(Reason.INVALID_SPEC, f"the stored object cannot be read: {parent.unreadable}; apply it again")
    try:
        model_uri.parse(spec.model.uri)
    except ValueError as error:
        return Unresolved(Reason.INVALID_SPEC, f"spec.{error}")
    runtime = _runtime(parent, catalog)
    if isinstance(runtime, Unresolved):
        return runtime
    request = _gpu(parent, catalog)
    if isinstance(request, Unresolved):
        return request
    if runtime.spec.gpu_required and request is None:
        return Unresolved(
            Reason.INVALID_SPEC,
            f"ModelRuntime {runtime.metadata.name} runs on GPUs only: set spec.gpu, for example gpu: {{count: 1}}",
        )
    resources = spec.resources if spec.resources != Resources() else runtime.spec.resources
    return Resolved(
        intent=intent(parent),
        model=spec.model,
        runtime_name=runtime.metadata.name,
        runtime=runtime.spec,
        resources=resources,
        server=spec.server,
        scheduling=spec.scheduling,
        defaults=defaults,
        gpu=request,
        pod_template=spec.pod_template,
    ).named()


def _runtime(parent: ModelDeployment, catalog: Catalog) -> ModelRuntime | Unresolved:
    spec, wanted = parent.spec, parent.spec.model.format or PACKAGE_FORMAT
    if spec.runtime is not None:
        runtime = catalog.runtimes.get(spec.runtime)
        if runtime is None:
            known = ", ".join(sorted(catalog.runtimes)) or "none"
            return Unresolved(
                Reason.RUNTIME_NOT_FOUND,
                f"spec.runtime: there is no ModelRuntime {spec.runtime!r}; known: {known} (kubectl get modelruntimes)",
            )
        if spec.model.format is not None and _priority(runtime, wanted) is None:
            return Unresolved(
                Reason.NO_RUNTIME_FOR_FORMAT,
                f"spec.model.format: ModelRuntime {spec.runtime} does not load {wanted}; it loads "
                f"{', '.join(sorted(one.name for one in runtime.spec.formats))}",
            )
        return runtime
    ranked = sorted(
        (
            (priority, name)
            for name, one in catalog.runtimes.items()
            if (priority := _priority(one, wanted)) is not None
        ),
        key=lambda pair: (-pair[0], pair[1]),
    )
    if not ranked:
        formats = sorted({one.name for runtime in catalog.runtimes.values() for one in runtime.spec.formats})
        return Unresolved(
            Reason.NO_RUNTIME_FOR_FORMAT,
            f"spec.model.format: no ModelRuntime loads {wanted}; there is one for "
            f"{', '.join(formats) or 'nothing'} (kubectl get modelruntimes)",
        )
    return catalog.runtimes[ranked[0][1]]


def _priority(runtime: ModelRuntime, wanted: str) -> int | None:
    return next((one.priority for one in runtime.spec.formats if one.name == wanted), None)


def _gpu(parent: ModelDeployment, catalog: Catalog) -> GpuRequest | Unresolved | None:
    asked = parent.spec.gpu
    if asked is None:
        return None
    profile = None
    if asked.profile is not None:
        profile = catalog.profiles.get(asked.profile)
        if profile is None:
            known = ", ".join(sorted(catalog.profiles)) or "none"
            return Unresolved(
                Reason.PROFILE_NOT_FOUND,
                f"spec.gpu.profile: there is no AcceleratorProfile {asked.profile!r}; known: {known} "
                "(kubectl get acceleratorprofiles)",
            )
    return resolve_gpu(asked, profile.spec if profile else None, catalog.nodes, catalog.device_classes)
