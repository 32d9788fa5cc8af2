"""ModelRuntime: a server image and how to run it, kept by the platform team for the whole cluster."""

from typing import Annotated

from msgspec import Meta, Struct

from .model_deployment import EnvVar, Resources
from .objects import ObjectMeta
from .scalars import FormatName, Text

# What a runtime lists when it reads the format from the package's own model.yaml.
PACKAGE_FORMAT = "package"


class RuntimeFormat(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A model format that the runtime can load."""

    name: FormatName
    priority: Annotated[
        int, Meta(ge=0, le=1000, description="The runtime with the highest number is picked for the format.")
    ] = 0


class RuntimeProbes(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Paths that the kubelet asks."""

    startup_path: Annotated[str, Meta(pattern="^/", max_length=256, description="200 once the model is loaded.")] = (
        "/v2/health/ready"
    )
    readiness_path: Annotated[str, Meta(pattern="^/", max_length=256, description="200 while it can serve.")] = (
        "/v2/health/ready"
    )
    liveness_path: Annotated[
        str, Meta(pattern="^/", max_length=256, description="200 while the process is worth keeping.")
    ] = "/v2/health/live"


class ModelRuntimeSpec(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A server image and how to run it.

    Arguments and variables may use $(MODEL_PATH), $(MODEL_NAME), $(MODEL_NAMESPACE), $(PORT), $(GRPC_PORT),
    $(GPU_COUNT) and $(API_KEY_FILE): a file with the keys that the gateway shows, one a line. Variables that name it
    are left out where the gateway shows none.
    """

    image: Annotated[str, Meta(min_length=1, max_length=512, description="Image of the server.")]
    formats: Annotated[
        list[RuntimeFormat],
        Meta(
            min_length=1,
            max_length=32,
            description="Formats it loads; `package` stands for packages that name their format themselves.",
        ),
    ]
    port: Annotated[int, Meta(ge=1, le=65535, description="Port on which it serves.")] = 8080
    grpc_port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(description="Port on which it serves gRPC; clients find it at port 9000 of the model's Service."),
    ] = None
    command: Annotated[list[Text], Meta(max_length=32, description="Command; the image's own when empty.")] = []
    args: Annotated[list[Text], Meta(max_length=64, description="Arguments.")] = []
    env: Annotated[list[EnvVar], Meta(max_length=64, description="Environment.")] = []
    probes: Annotated[RuntimeProbes, Meta(description="Paths that the kubelet asks.")] = RuntimeProbes()
    resources: Annotated[Resources, Meta(description="Resources of a replica when the model names none.")] = Resources()
    gpu_required: Annotated[bool, Meta(description="Whether it cannot run without a GPU.")] = False


class ModelRuntime(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A server image and how to run it."""

    metadata: ObjectMeta
    spec: ModelRuntimeSpec
