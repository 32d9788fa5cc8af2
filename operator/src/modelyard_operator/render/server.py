"""The container that serves the model."""

import math

from modelyard_operator.api.model_runtime import ModelRuntimeSpec
from modelyard_operator.api.names import MODEL_PATH, SERVER_CONTAINER
from modelyard_operator.api.scalars import parse_duration
from modelyard_operator.revision import Resolved

from . import Manifest
from .claim_template import CLAIM
from .fetch import security_context
from .upstream_key import KEY_VARIABLE, key_file, key_mounts

PROBE_PERIOD = 5
STARTUP_PERIOD = 2
# Endpoints need a moment to leave every kube-proxy before the server may refuse connections.
PRE_STOP_SECONDS = 5
DRAIN_MARGIN = 10


def server_container(resolved: Resolved, model_name: str) -> Manifest:
    """The container, with the runtime's command and our few variables for its arguments."""
    runtime, server = resolved.runtime, resolved.server
    container: Manifest = {
        "name": SERVER_CONTAINER,
        "image": runtime.image,
        "imagePullPolicy": resolved.defaults.image_pull_policy,
        "args": [*runtime.args, *server.args],
        "env": environment(resolved, model_name),
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in _ports(runtime).items()],
        "resources": _resources(resolved),
        "securityContext": security_context(),
        "volumeMounts": [
            {"name": "model", "mountPath": MODEL_PATH, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of the pod
            *key_mounts(resolved),
        ],
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        **_probes(resolved),
    }
    if runtime.command:
        container["command"] = list(runtime.command)
    if resolved.gpu:
        container["volumeMounts"].append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108
    return container


def environment(resolved: Resolved, model_name: str) -> list[Manifest]:
    """Variables, later ones winning: settings, the runtime's, the user's, and those that the pod depends on."""
    server = resolved.server
    fixed = {
        "MODEL_PATH": MODEL_PATH,
        "MODEL_NAME": model_name,
        "PORT": str(resolved.runtime.port),
        "GPU_COUNT": str(resolved.gpu.count if resolved.gpu else 0),
    }
    if resolved.runtime.grpc_port is not None:
        fixed["GRPC_PORT"] = str(resolved.runtime.grpc_port)
    if path := key_file(resolved):
        fixed["API_KEY_FILE"] = path
    values = fixed | {
        "MODELYARD_UNSAFE_FORMATS": resolved.model.unsafe_formats,
        "MODELYARD_LOAD_TIMEOUT": _seconds(server.load_timeout),
        "MODELYARD_DRAIN_TIMEOUT": _seconds(server.drain_timeout),
        "HOME": "/tmp",  # noqa: S108
    }
    optional = {
        "MODELYARD_MODEL_FORMAT": resolved.model.format,
        "MODELYARD_MODEL_DIGEST": resolved.model.digest,
        "MODELYARD_MAX_BATCH_ROWS": server.batching.max_rows,
        "MODELYARD_MAX_BATCH_DELAY": server.batching.max_delay and _seconds(server.batching.max_delay),
        "MODELYARD_MAX_QUEUE_ROWS": server.queue.max_rows,
        "MODELYARD_QUEUE_TIMEOUT": server.queue.timeout and _seconds(server.queue.timeout),
    }
    values |= {name: str(value) for name, value in optional.items() if value is not None}
    for variable in (*resolved.runtime.env, *server.env):
        # Where no key is asked for, what would hold its file is not set.
        if path or KEY_VARIABLE not in variable.value:
            values[variable.name] = variable.value
    # Only where the pod runs is it known in which namespace, so that two namespaces share a revision's content.
    space: Manifest = {
        "name": "MODEL_NAMESPACE",
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
    }
    return [
        space,
        *({"name": name, "value": value} for name, value in (values | fixed).items() if name != space["name"]),
    ]


def _ports(runtime: ModelRuntimeSpec) -> dict[str, int]:
    return {"http": runtime.port} | ({} if runtime.grpc_port is None else {"grpc": runtime.grpc_port})


def grace_period(resolved: Resolved) -> int:
    """Seconds from the end of a pod's life: endpoints leave, requests drain, and some margin."""
    return PRE_STOP_SECONDS + math.ceil(parse_duration(resolved.server.drain_timeout)) + DRAIN_MARGIN


def _seconds(duration: str) -> str:
    return f"{parse_duration(duration):g}"


def _resources(resolved: Resolved) -> Manifest:
    requests = dict(resolved.resources.requests or {})
    limits = dict(resolved.resources.limits or {})
    if resolved.gpu and resolved.gpu.resource_name:
        # Extended resources cannot be overcommitted, so request and limit are the same number.
        requests[resolved.gpu.resource_name] = limits[resolved.gpu.resource_name] = resolved.gpu.count
    found: Manifest = {"requests": _as_quantities(requests), "limits": _as_quantities(limits)}
    if resolved.gpu and resolved.gpu.claim:
        found["claims"] = [{"name": CLAIM}]
    return {name: values for name, values in found.items() if values}


def _as_quantities(values: dict[str, int | str]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _probes(resolved: Resolved) -> Manifest:
    paths = resolved.runtime.probes
    load = parse_duration(resolved.server.load_timeout)
    return {
        "startupProbe": {
            "httpGet": {"path": paths.startup_path, "port": "http"},
            "periodSeconds": STARTUP_PERIOD,
            "timeoutSeconds": 2,
            "failureThreshold": max(1, math.ceil(load / STARTUP_PERIOD)),
        },
        "readinessProbe": {
            "httpGet": {"path": paths.readiness_path, "port": "http"},
            "periodSeconds": PROBE_PERIOD,
            "timeoutSeconds": 3,
            "failureThreshold": 2,
        },
        "livenessProbe": {
            "httpGet": {"path": paths.liveness_path, "port": "http"},
            "periodSeconds": PROBE_PERIOD * 2,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
    }
