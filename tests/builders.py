"""Objects for tests: the shortest valid ones, with what a test is about laid over them."""

from typing import Any

import msgspec

from modelyard_operator.api.accelerator_profile import AcceleratorProfile
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.model_runtime import ModelRuntime
from modelyard_operator.api.objects import Child, DeviceClass, Node, Pod, ResourceClaim
from modelyard_operator.reading import child_from_raw
from modelyard_operator.render import Manifest
from modelyard_operator.revision import Catalog, Defaults

UID = "11111111-1111-1111-1111-111111111111"

DEFAULTS = Defaults(fetch_image="registry.example/modelyard/model-server:1", object_store_endpoint="http://store")


def model(name: str = "digits", generation: int = 1, status: Any = None, **spec: Any) -> ModelDeployment:
    """A ModelDeployment; keywords are fields of its spec as in YAML."""
    body = {
        "metadata": {"name": name, "namespace": "team", "uid": UID, "generation": generation, "resourceVersion": "1"},
        "spec": {"model": {"uri": "s3://models/digits/1"}, **spec},
    }
    found = msgspec.convert(body, ModelDeployment)
    return msgspec.structs.replace(found, status=status) if status is not None else found


def runtime(name: str = "modelyard-server", **spec: Any) -> ModelRuntime:
    """A ModelRuntime that loads packages, torch and sklearn."""
    body = {
        "image": "registry.example/modelyard/model-server:1",
        "formats": [{"name": "package"}, {"name": "torch"}, {"name": "sklearn"}],
        "command": ["modelyard-server"],
        "args": ["serve", "--model", "$(MODEL_PATH)", "--name", "$(MODEL_NAME)", "--port", "$(PORT)"],
        "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
    }
    return msgspec.convert({"metadata": {"name": name}, "spec": body | spec}, ModelRuntime)


def profile(name: str = "h100", **spec: Any) -> AcceleratorProfile:
    """An AcceleratorProfile."""
    return msgspec.convert({"metadata": {"name": name}, "spec": spec}, AcceleratorProfile)


def node(name: str = "node0", gpus: int = 4, product: str = "NVIDIA-H100-80GB-HBM3", memory: int = 81559) -> Node:
    """A node with GPUs and the labels of GPU feature discovery."""
    labels = {"nvidia.com/gpu.product": product, "nvidia.com/gpu.memory": str(memory)} if gpus else {}
    allocatable = {"cpu": "8", **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
    return msgspec.convert({"metadata": {"name": name, "labels": labels}, "status": {"allocatable": allocatable}}, Node)


def device_class(name: str = "gpu.nvidia.com") -> DeviceClass:
    """A DeviceClass; with one in the catalogue, the API server serves resource.k8s.io/v1."""
    return msgspec.convert({"metadata": {"name": name}}, DeviceClass)


def catalog(*objects: Any) -> Catalog:
    """A catalogue of the given objects; the default runtime and one node of four GPUs when there are none of a kind."""
    classes = [one.metadata.name for one in objects if isinstance(one, DeviceClass)]
    runtimes = [one for one in objects if isinstance(one, ModelRuntime)] or [runtime()]
    profiles = [one for one in objects if isinstance(one, AcceleratorProfile)]
    nodes = [one for one in objects if isinstance(one, Node)] or [node()]
    return Catalog(
        runtimes={one.metadata.name: one for one in runtimes},
        profiles={one.metadata.name: one for one in profiles},
        nodes=nodes,
        device_classes=frozenset(classes) if classes else None,
    )


def live(manifest: Manifest, uid: str = "live", **extra: Any) -> Child:
    """What the API server would hold after the manifest was applied."""
    body = {**manifest, **extra, "metadata": {**manifest["metadata"], "uid": uid, "resourceVersion": "5"}}
    return child_from_raw(msgspec.json.encode(body))


def child(name: str = "digits", version: str = "5", uid: str = "u", port: int = 80, **metadata: Any) -> Child:
    """A child of the model digits, of any kind; `metadata` is laid over its own."""
    labels = {"modelyard.dev/model": "digits"}
    body = {"name": name, "namespace": "team", "uid": uid, "resourceVersion": version, "labels": labels, **metadata}
    return child_from_raw(msgspec.json.encode({"metadata": body, "spec": {"port": port}}))


def pod(revision: str, name: str = "pod-0", *, ready: bool = False, scheduled: bool = True, **fields: Any) -> Pod:
    """A pod of a revision; `fields` are of its status, except `deleted`, `unscheduled`, `template` and `gates`."""
    deleted = fields.pop("deleted", False)
    unscheduled = fields.pop("unscheduled", "")
    template, gates = fields.pop("template", ""), fields.pop("gates", [])
    conditions = [{"type": "PodScheduled", "status": "True" if scheduled else "False"}]
    if not scheduled:
        conditions[0] |= {"reason": "Unschedulable", "message": unscheduled}
    if ready:
        conditions.append({"type": "Ready", "status": "True"})
    metadata = {
        "name": name,
        "namespace": "team",
        "uid": name,
        "resourceVersion": "1",
        "labels": {"modelyard.dev/model": "digits", "modelyard.dev/revision": revision},
        "deletionTimestamp": "2026-01-01T00:00:00Z" if deleted else None,
    }
    claims = [{"name": "gpu", "resourceClaimTemplateName": template}] if template else []
    body = {
        "metadata": metadata,
        "spec": {"resourceClaims": claims, "schedulingGates": [{"name": gate} for gate in gates]},
        "status": {"conditions": conditions, **fields},
    }
    return msgspec.convert(body, Pod)


def claim(owner: str, *devices: str) -> ResourceClaim:
    """The claim that Kubernetes made for a pod, with the devices that it was given."""
    results = [{"request": "gpu", "driver": "gpu.nvidia.com", "pool": "node0", "device": one} for one in devices]
    body = {
        "metadata": {
            "name": f"{owner}-gpu-x7k2p",
            "namespace": "team",
            "labels": {"modelyard.dev/model": "digits"},
            "annotations": {"resource.kubernetes.io/pod-claim-name": "gpu"},
            "ownerReferences": [{"uid": owner, "kind": "Pod", "name": owner, "controller": True}],
        },
        "status": {"allocation": {"devices": {"results": results}}} if devices else {},
    }
    return msgspec.convert(body, ResourceClaim)


def waiting(container: str, reason: str, message: str = "", **extra: Any) -> dict[str, Any]:
    """Status of a container that waits."""
    return {"name": container, "state": {"waiting": {"reason": reason, "message": message}}, **extra}


def ended(container: str, code: int, message: str = "", reason: str = "Error", **extra: Any) -> dict[str, Any]:
    """Status of a container that ended."""
    state = {"terminated": {"exitCode": code, "message": message, "reason": reason}}
    return {"name": container, "state": state, **extra}


def restarting(
    container: str, code: int, message: str = "", reason: str = "Error", restarts: int = 3
) -> dict[str, Any]:
    """Status of a container that the kubelet will start again later."""
    last = {"terminated": {"exitCode": code, "message": message, "reason": reason}}
    return {
        "name": container,
        "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        "lastState": last,
    }


def running(container: str) -> dict[str, Any]:
    """Status of a container that runs."""
    return {"name": container, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}


def package_message(digest: str = "sha256:" + "a" * 64) -> str:
    """What a fetch container says when it ends well."""
    return f'{{"digest": "{digest}", "name": "digits", "version": "1", "format": "torch", "bytes": 10}}'
