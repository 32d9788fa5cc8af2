"""Every metric of the gateway's own process, defined once; Envoy counts requests itself."""

from prometheus_client import Counter, Gauge, Histogram

from . import __version__

BUILD_INFO = Gauge("modelyard_gateway_build_info", "Version of the gateway.", ["version"])
BUILD_INFO.labels(__version__).set(1)
DECISIONS = Counter("modelyard_gateway_decisions_total", "Requests by what became of them at the door.", ["reason"])
MODELS = Gauge("modelyard_gateway_models", "Models that the gateway knows.")
PUBLISHED = Histogram(
    "modelyard_gateway_publish_seconds",
    "From the news of a change until Envoy's files say so.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)

# Of models and keys there may be many: `usage.series` lets a bounded number through.
REQUESTS = Counter(
    "modelyard_gateway_requests_total", "Requests that a model was asked.", ["namespace", "model", "revision", "code"]
)
SECONDS = Histogram(
    "modelyard_gateway_request_seconds",
    "From a request until its answer has ended.",
    ["namespace", "model"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
TOKENS = Counter(
    "modelyard_gateway_tokens_total", "Tokens of prompts and answers.", ["namespace", "model", "revision", "direction"]
)
ESTIMATED = Counter(
    "modelyard_gateway_estimated_total", "Answers that did not tell their tokens, so that these were guessed."
)
KEY_REQUESTS = Counter("modelyard_gateway_key_requests_total", "Requests by InferenceKey.", ["namespace", "key"])
KEY_TOKENS = Counter("modelyard_gateway_key_tokens_total", "Tokens by InferenceKey.", ["namespace", "key", "direction"])
KEYS = Gauge("modelyard_gateway_keys", "InferenceKeys that the gateway knows.")
LIMITS_SHARED = Gauge(
    "modelyard_gateway_limits_shared", "1 while all replicas count limits together, 0 while each counts alone."
)
USAGE_OPEN = Gauge("modelyard_gateway_usage_open_keys", "InferenceKeys whose last usage could not be written yet.")
USAGE_WRITES = Counter("modelyard_gateway_usage_writes_total", "Writes of usage to InferenceKeys.", ["result"])
USAGE_BEHIND = Gauge("modelyard_gateway_usage_unread_bytes", "Bytes of Envoy's lines that are not counted yet.")
