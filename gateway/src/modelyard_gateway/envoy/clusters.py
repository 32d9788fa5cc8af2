"""The pods of each model as a cluster with its addresses.

Addresses in files of their own would be less to read for Envoy when a pod comes. But it takes one inotify instance for
each such file, of which many machines allow 128, and ends itself when there is none left.

Source: envoy.config.cluster.v3, envoy.config.endpoint.v3.
"""

from collections.abc import Sequence

from modelyard_gateway.access.target import Protocol
from modelyard_gateway.directory import Address, cluster_name

from . import TYPE, Resource

CONNECT_TIMEOUT = "2s"
# Envoy's own limits would be the narrowest part of the way; a model's queue says when it is enough.
MOST_AT_ONCE = 100_000
_HTTP_OPTIONS = f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions"


def cluster(namespace: str, name: str, protocol: Protocol, addresses: Sequence[Address]) -> Resource:
    """A model's pods: the least busy of two is asked, and one that refuses connections is left alone for a while."""
    full = cluster_name(namespace, name, protocol)
    options: Resource = {"http2_protocol_options": {}} if protocol == "grpc" else {"http_protocol_options": {}}
    return {
        "@type": f"{TYPE}.config.cluster.v3.Cluster",
        "name": full,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": full,
            "endpoints": [{"lb_endpoints": [_endpoint(one) for one in addresses]}],
        },
        "connect_timeout": CONNECT_TIMEOUT,
        "lb_policy": "LEAST_REQUEST",
        "ignore_health_on_host_removal": True,
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": MOST_AT_ONCE,
                    "max_pending_requests": MOST_AT_ONCE,
                    "max_requests": MOST_AT_ONCE,
                    "max_retries": 100,
                }
            ]
        },
        "outlier_detection": {
            # What a model answers is its own matter: only a pod that cannot be reached is left out.
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 3,
            "consecutive_5xx": 0,
            "enforcing_consecutive_5xx": 0,
            "enforcing_consecutive_gateway_failure": 0,
            "enforcing_success_rate": 0,
            "enforcing_local_origin_success_rate": 0,
            "base_ejection_time": "5s",
            "interval": "1s",
            "max_ejection_percent": 50,
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _HTTP_OPTIONS,
                "explicit_http_config": options,
                "common_http_protocol_options": {"idle_timeout": "60s"},
            }
        },
    }


def _endpoint(address: Address) -> Resource:
    return {"endpoint": {"address": {"socket_address": {"address": address[0], "port_value": address[1]}}}}
