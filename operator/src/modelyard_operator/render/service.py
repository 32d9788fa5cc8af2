"""The Service of a model: one address for all its revisions; readiness decides who answers."""

from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.names import GRPC_SERVICE_PORT, SERVICE_PORT, model_labels

from . import Manifest
from .metadata import child_metadata, stamp


def service(parent: ModelDeployment) -> Manifest:
    """A ClusterIP Service on port 80, and 9000 for gRPC, which has endpoints only where the runtime serves it."""
    return stamp(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": child_metadata(parent, parent.metadata.name),
            "spec": {
                "type": "ClusterIP",
                "selector": model_labels(parent.metadata.name),
                "ports": [
                    {"name": "http", "port": SERVICE_PORT, "targetPort": "http", "protocol": "TCP"},
                    {
                        "name": "grpc",
                        "port": GRPC_SERVICE_PORT,
                        "targetPort": "grpc",
                        "protocol": "TCP",
                        "appProtocol": "kubernetes.io/h2c",
                    },
                ],
            },
        }
    )


def url(parent: ModelDeployment, gateway: str = "") -> str:
    """Where clients find the model: below the address of the gateway, or without one at its own Service."""
    name, namespace = parent.metadata.name, parent.metadata.namespace
    return f"{gateway.rstrip('/')}/{namespace}/{name}" if gateway else f"http://{name}.{namespace}.svc"
