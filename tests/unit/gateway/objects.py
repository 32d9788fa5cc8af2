"""Models and EndpointSlices as the API server tells of them."""

import hashlib
from typing import Any

import msgspec
from msgspec.structs import replace

from modelyard_gateway.directory import EndpointSlice, ModelMeta
from modelyard_operator.api.inference_key import InferenceKey, KeyUsage

LABELS = {"app.kubernetes.io/managed-by": "modelyard"}


def model(version: str = "1", name: str = "digits", mode: str = "Kubernetes", **labels: str) -> ModelMeta:
    head = {"name": name, "namespace": "team", "uid": name, "resourceVersion": version, "labels": labels}
    return msgspec.convert({"metadata": head, "spec": {"access": {"mode": mode}}}, ModelMeta)


def pods(
    version: str, *endpoints: dict[str, Any], name: str = "one", model: str = "digits", **more: Any
) -> EndpointSlice:
    labels = LABELS | {"modelyard.dev/model": model}
    uid = f"{model}-{name}"
    head = {"name": uid, "namespace": "team", "uid": uid, "resourceVersion": version, "labels": labels}
    ports = [{"name": "http", "port": 8080}, {"name": "grpc", "port": 9000}, {"name": "other", "port": 1}]
    return msgspec.convert({"metadata": head, "endpoints": list(endpoints), "ports": ports, **more}, EndpointSlice)


def pod(address: str, *, ready: bool | None = True) -> dict[str, Any]:
    return {"addresses": [address], "conditions": {} if ready is None else {"ready": ready}}


UNUSED = KeyUsage()
KEY = "myk_00010203_" + "ab" * 32


def inference_key(version: str = "1", usage: KeyUsage = UNUSED, name: str = "ci", **spec: Any) -> InferenceKey:
    """An InferenceKey whose key is KEY."""
    head = {"name": name, "namespace": "team", "uid": f"uid-{name}", "resourceVersion": version}
    issued = {
        "prefix": "myk_00010203",
        "sha256": hashlib.sha256(KEY.encode()).hexdigest(),
        "createdAt": "2026-11-01T00:00:00Z",
    }
    wanted = {"rateLimit": {"requestsPerMinute": 60, "tokensPerMinute": 60}, **spec}
    body = {"metadata": head, "spec": wanted, "status": {"keys": [issued]}}
    found = msgspec.convert(body, InferenceKey)
    return replace(found, status=replace(found.status, usage=usage))
