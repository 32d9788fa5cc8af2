"""What Envoy is started with. Source: envoy.config.bootstrap.v3."""

from pathlib import Path

from modelyard_gateway.settings import Settings

from . import AUTHORIZER, TYPE, Resource
from .listener import listener


def bootstrap(settings: Settings) -> Resource:
    """The listener and the authorizer are fixed; clusters of models come from files."""
    return {
        "node": {"id": settings.pod_name or "gateway", "cluster": "modelyard-gateway"},
        # Envoy's own interface can end it: only this pod reaches the socket.
        "admin": {"address": {"pipe": {"path": str(settings.folder / "admin.sock"), "mode": 0o600}}},
        "dynamic_resources": {
            "cds_config": {
                "path_config_source": {"path": str(clusters_file(settings.folder))},
                "resource_api_version": "V3",
            }
        },
        "static_resources": {"listeners": [_untyped(listener(settings))], "clusters": [_authorizer(settings)]},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{TYPE}.extensions.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": settings.most_connections,
                    },
                }
            ]
        },
    }


def clusters_file(folder: Path) -> Path:
    """Where Envoy finds all clusters."""
    return folder / "clusters.json"


def socket(folder: Path) -> Path:
    """Where the authorizer listens."""
    return folder / "authorizer.sock"


def _untyped(resource: Resource) -> Resource:
    return {key: value for key, value in resource.items() if key != "@type"}


def _authorizer(settings: Settings) -> Resource:
    address = {"pipe": {"path": str(socket(settings.folder))}}
    return {
        "name": AUTHORIZER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": {
            "thresholds": [{"max_connections": 1024, "max_pending_requests": 100_000, "max_requests": 100_000}]
        },
        "load_assignment": {
            "cluster_name": AUTHORIZER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
