"""What Envoy is started with. Source: envoy.config.bootstrap.v3."""

from pathlib import Path

from modelyard_gateway.settings import Settings

from . import ADMIN, AUTHORIZER, TYPE, Resource, observing
from .listener import listener

_LOG = {"time": "%Y-%m-%dT%H:%M:%S.%e", "level": "%l", "logger": "envoy.%n", "message": "%j"}


def bootstrap(settings: Settings) -> Resource:
    """The listener and the authorizer are fixed; clusters of models come from files."""
    return {
        "node": {"id": settings.pod_name or "gateway", "cluster": "modelyard-gateway"},
        # Envoy's own interface can end it: only this pod reaches the socket.
        "admin": {"address": {"pipe": {"path": str(admin_socket(settings.folder)), "mode": 0o600}}},
        "stats_config": observing.stats(),
        **({"application_log_config": {"log_format": {"json_format": _LOG}}} if settings.log_format == "json" else {}),
        "dynamic_resources": {
            "cds_config": {
                "path_config_source": {"path": str(clusters_file(settings.folder))},
                "resource_api_version": "V3",
            }
        },
        "static_resources": {
            "listeners": [_untyped(one) for one in (listener(settings), observing.listener(settings))],
            "clusters": [_authorizer(settings), _local(ADMIN, admin_socket(settings.folder))],
        },
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


def admin_socket(folder: Path) -> Path:
    """Where Envoy's own interface listens."""
    return folder / "admin.sock"


def clusters_file(folder: Path) -> Path:
    """Where Envoy finds all clusters."""
    return folder / "clusters.json"


def socket(folder: Path) -> Path:
    """Where the authorizer listens."""
    return folder / "authorizer.sock"


def _untyped(resource: Resource) -> Resource:
    return {key: value for key, value in resource.items() if key != "@type"}


def _authorizer(settings: Settings) -> Resource:
    limits = {"max_connections": 1024, "max_pending_requests": 100_000, "max_requests": 100_000}
    return {
        **_local(AUTHORIZER, socket(settings.folder)),
        "circuit_breakers": {"thresholds": [limits]},
    }


def _local(name: str, path: Path) -> Resource:
    """A neighbour in the pod, by its socket."""
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(path)}}}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
