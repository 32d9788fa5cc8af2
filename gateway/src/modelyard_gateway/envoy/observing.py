"""What Prometheus and the kubelet may ask Envoy: three paths on a port of their own.

Envoy's own interface can do much more, and nobody reaches it from outside of the pod.

Source: envoy.config.metrics.v3, https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/admin
"""

from modelyard_gateway.settings import Settings

from . import ADMIN, TYPE, Resource

_MANAGER = f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = f"{TYPE}.extensions.filters.http.router.v3.Router"
# A model is `cluster.NAMESPACE.NAME.….PROTOCOL.`; of what Envoy counts for each, this is what somebody looks at.
_MODEL_STATS = (
    "upstream_rq_([1-5]xx|[1-5][0-9][0-9]|active|time|total|timeout|retry|rx_reset|tx_reset)|"
    "upstream_cx_(active|total|connect_fail|connect_timeout)|membership_(total|healthy)|outlier_detection.ejections_active"
)
_STATS = (
    r"(http\.models|listener_manager|listener\.[^.]+(\.ssl)?|server|overload|cluster_manager|ext_authz|sds)\..+",
    rf"cluster\.(.+\.(http|grpc)|modelyard\.[^.]+)\.({_MODEL_STATS})",
)
# The first group is taken out of the name, the second is the label.
_LABELS = {
    "modelyard.namespace": r"^cluster\.(([^.]+)\.)[^.]+\.(?:.+\.)?(?:http|grpc)\.",
    "modelyard.model": r"^cluster\.[^.]+\.(([^.]+)\.)(?:.+\.)?(?:http|grpc)\.",
    "modelyard.revision": r"^cluster\.[^.]+\.[^.]+\.(([^.]+)\.)(?:http|grpc)\.",
    "modelyard.protocol": r"^cluster\.[^.]+\.[^.]+\.(?:.+\.)?((http|grpc)\.)",
    "envoy.response_code": r"_rq(_([1-5][0-9][0-9]))$",
    "envoy.response_code_class": r"_rq_(([1-5]))xx$",
}


def stats() -> Resource:
    """Which figures Envoy keeps, and which parts of their names are labels."""
    return {
        "use_all_default_tags": False,
        "stats_tags": [{"tag_name": name, "regex": regex} for name, regex in _LABELS.items()],
        "stats_matcher": {"inclusion_list": {"patterns": [{"safe_regex": {"regex": one}} for one in _STATS]}},
    }


def listener(settings: Settings) -> Resource:
    """`/metrics`, `/readyz` (not while draining) and `/healthz`; anything else is 404."""
    manager = {
        "@type": _MANAGER,
        "stat_prefix": "observing",
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}],
        "route_config": {
            "name": "observing",
            "virtual_hosts": [
                {
                    "name": "observing",
                    "domains": ["*"],
                    "routes": [
                        _forwarded("/metrics", "/stats/prometheus"),
                        _forwarded("/readyz", "/ready"),
                        {
                            "match": {"path": "/healthz"},
                            "direct_response": {"status": 200, "body": {"inline_string": "ok\n"}},
                        },
                    ],
                }
            ],
        },
    }
    return {
        "@type": f"{TYPE}.config.listener.v3.Listener",
        "name": "observing",
        "address": {"socket_address": {"address": settings.address, "port_value": settings.envoy_port}},
        "ignore_global_conn_limit": True,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def _forwarded(path: str, interface: str) -> Resource:
    """GET only: what changes something is POST."""
    only_get = {"name": ":method", "string_match": {"exact": "GET"}}
    return {
        "match": {"path": path, "headers": [only_get]},
        "route": {"cluster": ADMIN, "prefix_rewrite": interface, "timeout": "10s"},
    }
