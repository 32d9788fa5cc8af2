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
