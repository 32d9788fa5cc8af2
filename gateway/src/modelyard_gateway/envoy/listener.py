"""One HTTP listener. Its routes never change: the authorizer says in headers which cluster and which path it is.

Source: envoy.config.listener.v3, envoy.extensions.filters.network.http_connection_manager.v3,
envoy.extensions.filters.http.ext_authz.v3.
"""

from modelyard_gateway.settings import Settings

from . import (
    AUTHORIZER,
    CLUSTER_HEADER,
    LENGTH_HEADER,
    MODEL_HEADER,
    PATH_HEADER,
    REASON_HEADER,
    TYPE,
    USER_HEADER,
    WARNING_HEADER,
    WHO,
    Resource,
    shared_door,
    tls,
    usage,
)

# Longer than the API server may take for the two questions that an unknown token costs.
AUTHORIZER_TIMEOUT = "10s"
_MANAGER = f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_EXT_AUTHZ = f"{TYPE}.extensions.filters.http.ext_authz.v3.ExtAuthz"
_ROUTER = f"{TYPE}.extensions.filters.http.router.v3.Router"
_LOG = f"{TYPE}.extensions.access_loggers.stream.v3.StdoutAccessLog"


def listener(settings: Settings) -> Resource:
    """The listener for clients."""
    return {
        "@type": f"{TYPE}.config.listener.v3.Listener",
        "name": "models",
        "address": {"socket_address": {"address": settings.address, "port_value": settings.port}},
        "per_connection_buffer_limit_bytes": 1 << 20,
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": _manager(settings),
                    }
                ],
                **({"transport_socket": tls.transport(settings.folder)} if settings.tls else {}),
            }
        ],
    }


def _manager(settings: Settings) -> Resource:
    return {
        "@type": _MANAGER,
        "stat_prefix": "models",
        "use_remote_address": True,
        "xff_num_trusted_hops": settings.trusted_hops,
        # One reading of a path, for us, for Envoy and for the server: RFC 3986, and nothing that hides a slash.
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "strip_any_host_port": True,
        "common_http_protocol_options": {
            "headers_with_underscores_action": "REJECT_REQUEST",
            "max_headers_count": 100,
            "idle_timeout": "600s",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65536,
            "initial_connection_window_size": 1 << 20,
        },
        "max_request_headers_kb": 60,
        "request_headers_timeout": "10s",
        "stream_idle_timeout": "300s",
        "drain_timeout": "5s",
        "server_header_transformation": "PASS_THROUGH",
        "early_header_mutation_extensions": [
            {"name": "envoy.http.early_header_mutation.header_mutation", "typed_config": _early()}
        ],
        "access_log": [_access_log(), usage.usage_log(usage.usage_file(settings.folder))],
        "route_config": _routes(settings),
        "http_filters": [
            *shared_door.filters(_who()),
            {"name": "envoy.filters.http.ext_authz", "typed_config": _authorization()},
            usage.counter(),
            {"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}},
        ],
    }


def _early() -> Resource:
    """First of all, what only we may say is taken off, and the length of the body is noted for the authorizer."""
    length = {"header": {"key": LENGTH_HEADER, "value": "%REQ(CONTENT-LENGTH)%"}}
    return {
        "@type": f"{TYPE}.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        "mutations": [
            *({"remove": name} for name in (CLUSTER_HEADER, PATH_HEADER, USER_HEADER, LENGTH_HEADER, MODEL_HEADER)),
            {"append": {**length, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}},
        ],
    }


def _authorization() -> Resource:
    def exact(*names: str) -> Resource:
        return {"patterns": [{"exact": name} for name in names]}

    return {
        "@type": _EXT_AUTHZ,
        "transport_api_version": "V3",
        "http_service": {
            "server_uri": {"uri": "http://authorizer", "cluster": AUTHORIZER, "timeout": AUTHORIZER_TIMEOUT},
            "authorization_response": {
                "allowed_upstream_headers": exact(CLUSTER_HEADER, PATH_HEADER, USER_HEADER, "authorization"),
                "allowed_client_headers": exact(
                    "content-type", "retry-after", "www-authenticate", REASON_HEADER, USER_HEADER
                ),
                "allowed_client_headers_on_success": exact(WARNING_HEADER),
            },
        },
        "allowed_headers": exact("authorization", "content-type", LENGTH_HEADER, MODEL_HEADER),
        "clear_route_cache": True,
        "failure_mode_allow": False,
        "status_on_error": {"code": "ServiceUnavailable"},
    }


def _who() -> Resource:
    """The same question without a body: who somebody is, and nothing of where to."""
    asked = _authorization()
    service = asked["http_service"]
    answer = {"allowed_client_headers": service["authorization_response"]["allowed_client_headers"]}
    return {
        **asked,
        "clear_route_cache": False,
        "http_service": {**service, "path_prefix": WHO, "authorization_response": answer},
    }


def _kept_from_models(settings: Settings) -> list[str]:
    """A client's token is not for the model: it goes, unless our key has taken its place."""
    ours = [CLUSTER_HEADER, LENGTH_HEADER, MODEL_HEADER]
    return ours if settings.upstream_keys else [*ours, "authorization"]


def _routes(settings: Settings) -> Resource:
    way: Resource = {"match": {"prefix": "/"}, "route": _action()}
    shared = shared_door.route(_action(), settings.longest_body)
    return {
        "name": "models",
        "virtual_hosts": [
            {
                "name": "models",
                "domains": ["*"],
                "request_headers_to_remove": _kept_from_models(settings),
                "response_headers_to_remove": ["x-envoy-upstream-service-time", "x-envoy-decorator-operation"],
                "routes": [usage.counted(shared, shared_door.COUNTED), shared, usage.counted(way), way],
            }
        ],
    }


def _action() -> Resource:
    return {
        "cluster_header": CLUSTER_HEADER,
        "cluster_not_found_response_code": "SERVICE_UNAVAILABLE",
        # An answer may take as long as the model and its queue allow; silence ends it.
        "timeout": "0s",
        "idle_timeout": "300s",
        "path_rewrite": f"%REQ({PATH_HEADER})%",
        "retry_policy": {
            # A request that reached a model may have been computed: it is never sent twice.
            "retry_on": "connect-failure",
            "num_retries": 2,
            "host_selection_retry_max_attempts": 3,
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {"@type": f"{TYPE}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
                }
            ],
        },
    }


def _access_log() -> Resource:
    """One line a request, for audit: who, what, how it ended; no payload, no token, no query."""
    return {
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": _LOG,
            "log_format": {
                "json_format": {
                    "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
                    "log": "access",
                    "user": f"%REQ({USER_HEADER})%",
                    "refused_user": f"%RESP({USER_HEADER})%",
                    "reason": f"%RESP({REASON_HEADER})%",
                    "method": "%REQ(:METHOD)%",
                    "host": "%REQ(:AUTHORITY)%",
                    "path": "%PATH(NQ:ORIG_OR_PATH)%",
                    "protocol": "%PROTOCOL%",
                    "code": "%RESPONSE_CODE%",
                    "details": "%RESPONSE_CODE_DETAILS%",
                    "model": "%UPSTREAM_CLUSTER_RAW%",
                    "pod": "%UPSTREAM_HOST%",
                    "bytes_received": "%BYTES_RECEIVED%",
                    "bytes_sent": "%BYTES_SENT%",
                    "milliseconds": "%DURATION%",
                    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                    "request_id": "%REQ(X-REQUEST-ID)%",
                    **usage.tokens(),
                }
            },
        },
    }
