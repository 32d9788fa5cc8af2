"""The init container that brings the model package into the pod."""

from modelyard_operator import model_uri
from modelyard_operator.api.names import CREDENTIALS_PATH, FETCH_CONTAINER, MODEL_PATH, PVC_ROOT
from modelyard_operator.revision import Resolved

from . import Manifest


def security_context() -> Manifest:
    """What the Pod Security Standard *restricted* asks of a container, and a read-only root besides."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def fetch_container(resolved: Resolved) -> Manifest:
    """The container: its own command of the model-server image, whatever image serves."""
    model, uri = resolved.model, model_uri.parse(resolved.model.uri)
    args = ["fetch", "--uri", model.uri, "--dest", MODEL_PATH, "--unsafe-formats", model.unsafe_formats]
    if model.digest:
        args += ["--digest", model.digest]
    if model.format:
        args += ["--format", model.format]
    mounts: list[Manifest] = [{"name": "model", "mountPath": MODEL_PATH}, {"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
    if uri.scheme == "pvc":
        args += ["--pvc-root", PVC_ROOT]
        mounts.append({"name": "source", "mountPath": PVC_ROOT, "readOnly": True})
    elif credentials_secret(resolved):
        args += ["--credentials", CREDENTIALS_PATH]
        mounts.append({"name": "credentials", "mountPath": CREDENTIALS_PATH, "readOnly": True})
    return {
        "name": FETCH_CONTAINER,
        "image": resolved.defaults.fetch_image,
        "imagePullPolicy": resolved.defaults.image_pull_policy,
        "command": ["modelyard-server"],
        "args": args,
        "env": _environment(resolved, uri.scheme),
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": security_context(),
        "volumeMounts": mounts,
    }


def credentials_secret(resolved: Resolved) -> str:
    """Secret with the credentials. The operator's default is for its own object store alone, never for a web server."""
    if resolved.model.credentials:
        return resolved.model.credentials
    return resolved.defaults.credentials if resolved.model.uri.startswith("s3:") else ""


def fetch_volumes(resolved: Resolved) -> list[Manifest]:
    """Volumes that only this container mounts."""
    uri = model_uri.parse(resolved.model.uri)
    if uri.scheme == "pvc":
        return [{"name": "source", "persistentVolumeClaim": {"claimName": uri.authority, "readOnly": True}}]
    if secret := credentials_secret(resolved):
        # Optional, so that the container starts and says what is missing; the kubelet adds the Secret once it exists.
        return [{"name": "credentials", "secret": {"secretName": secret, "optional": True, "defaultMode": 0o440}}]
    return []


def _environment(resolved: Resolved, scheme: str) -> list[Manifest]:
    values = {"HOME": "/tmp"}  # noqa: S108 - an emptyDir of the pod
    if scheme == "s3":
        values["AWS_REGION"] = resolved.defaults.object_store_region
        endpoint = resolved.defaults.object_store_endpoint
        if endpoint:
            values["AWS_ENDPOINT_URL"] = endpoint
            values["AWS_ALLOW_HTTP"] = "true" if endpoint.startswith("http://") else "false"
    return [{"name": name, "value": value} for name, value in values.items()]
