"""Models and EndpointSlices as the API server tells of them."""

from typing import Any

import msgspec

from modelyard_gateway.directory import EndpointSlice, ModelMeta

LABELS = {"app.kubernetes.io/managed-by": "modelyard"}


def model(version: str = "1", name: str = "digits") -> ModelMeta:
    head = {"name": name, "namespace": "team", "uid": name, "resourceVersion": version}
    return msgspec.convert({"metadata": head}, ModelMeta)


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
