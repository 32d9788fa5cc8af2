"""What Modelyard's metrics are called and which labels they have, and what a PromQL expression reads."""

from collections.abc import Iterator
from typing import Any

import promql_parser

HISTOGRAM = ("_bucket", "_sum", "_count")
# Labels that a scrape adds to every series.
TARGET = "job instance namespace pod container revision"
# Metric: its own labels. `(histogram)` stands for its three series.
METRICS = {
    "modelyard_build_info": "version",
    "modelyard_leader": "",
    "modelyard_models": "namespace ready reason",
    "modelyard_model_replicas": "namespace model state",
    "modelyard_model_condition": "namespace model condition reason",
    "modelyard_reconcile_total": "result",
    "modelyard_reconcile_duration_seconds (histogram)": "",
    "modelyard_queue_depth": "",
    "modelyard_queue_oldest_seconds": "",
    "modelyard_api_requests_total": "verb resource code",
    "modelyard_api_writes_total": "kind reason",
    "modelyard_watch_events_total": "resource",
    "modelyard_unreadable_objects_total": "resource",
    "modelyard_watch_restarts_total": "resource",
    "modelyard_watch_last_event_seconds": "resource",
    "modelyard_gateway_build_info": "version",
    "modelyard_gateway_decisions_total": "reason",
    "modelyard_gateway_models": "",
    "modelyard_gateway_publish_seconds (histogram)": "",
    "modelyard_gateway_requests_total": "namespace model revision code",
    "modelyard_gateway_request_seconds (histogram)": "namespace model",
    "modelyard_gateway_tokens_total": "namespace model revision direction",
    "modelyard_gateway_estimated_total": "",
    "modelyard_gateway_key_requests_total": "namespace key",
    "modelyard_gateway_key_tokens_total": "namespace key direction",
    "modelyard_gateway_keys": "",
    "modelyard_gateway_limits_shared": "",
    "modelyard_gateway_usage_open_keys": "",
    "modelyard_gateway_usage_writes_total": "result",
    "modelyard_gateway_usage_unread_bytes": "",
    "modelyard_server_requests_total": "model version code protocol",
    "modelyard_server_request_duration_seconds (histogram)": "model version",
    "modelyard_server_queue_duration_seconds (histogram)": "model version",
    "modelyard_server_inference_duration_seconds (histogram)": "model version",
    "modelyard_server_batch_rows (histogram)": "model version",
    "modelyard_server_queue_rows": "model version",
    "modelyard_server_inflight_requests": "model version",
    "modelyard_server_rejected_total": "model version reason",
    "modelyard_server_model_ready": "model version",
    "modelyard_server_model_load_duration_seconds": "model version",
    "modelyard_server_parameter_bytes": "model version",
    "modelyard_server_model_info": "model version format digest device",
    "modelyard_server_memory_bytes": "model version",
    "modelyard_server_gc_pause_seconds (histogram)": "",
    "modelyard_server_gpu_memory_bytes": "model version kind",
    "modelyard_server_prompt_tokens_total": "model version",
    "modelyard_server_prompt_tokens_cached_total": "model version",
    "modelyard_server_generated_tokens_total": "model version",
    "modelyard_server_time_to_first_token_seconds (histogram)": "model version",
    "modelyard_server_inter_token_seconds (histogram)": "model version",
    "modelyard_server_slot_wait_seconds (histogram)": "model version",
    "modelyard_server_step_tokens (histogram)": "model version",
    "modelyard_server_step_duration_seconds (histogram)": "model version",
    "modelyard_server_running_sequences": "model version",
    "modelyard_server_waiting_sequences": "model version",
    "modelyard_server_kv_cache_usage_ratio": "model version",
    "process_cpu_seconds_total": "",
}


def series() -> dict[str, set[str]]:
    """Every series name with all labels that it can have."""
    found: dict[str, set[str]] = {}
    for metric, labels in METRICS.items():
        name, _, kind = metric.partition(" ")
        known = {*labels.split(), *TARGET.split()}
        if kind == "(histogram)":
            found |= {name + suffix: known | ({"le"} if suffix == "_bucket" else set()) for suffix in HISTOGRAM}
        else:
            found[name] = known
    return found


def nodes(expression: str) -> Iterator[Any]:
    """Every node of an expression; raises ValueError when it is no PromQL."""
    collected: list[Any] = []
    promql_parser.walk(promql_parser.parse(expression), collected.append)
    yield from collected


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """Every series that an expression reads, with the labels it selects by."""
    return [
        (node.name or "", {matcher.name for matcher in node.matchers.matchers})
        for node in nodes(expression)
        if isinstance(node, promql_parser.VectorSelector)
    ]


def grouping_labels(expression: str) -> set[str]:
    """Labels that an expression aggregates by or matches on."""
    modifiers = [getattr(node, "modifier", None) for node in nodes(expression)]
    parts = modifiers + [getattr(modifier, "matching", None) for modifier in modifiers]
    return {label for part in parts for label in getattr(part, "labels", ())}


def mistakes(expression: str) -> list[str]:
    """What is wrong with an expression: unknown series, or labels that no series it reads can have."""
    known = series()
    found = []
    available: set[str] = set()
    for name, labels in selectors(expression):
        if name not in known:
            found.append(f"unknown metric {name}")
        else:
            available |= known[name]
            found += [f"{name} has no label {label}" for label in sorted(labels - known[name])]
    return found + [f"no series has the label {label}" for label in sorted(grouping_labels(expression) - available)]
