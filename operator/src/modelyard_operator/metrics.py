"""Every metric of the operator, defined once."""

from prometheus_client import Counter, Gauge, Histogram

from . import __version__

BUILD_INFO = Gauge("modelyard_build_info", "Version of the operator.", ["version"])
BUILD_INFO.labels(__version__).set(1)
LEADER = Gauge("modelyard_leader", "1 while this process is the leader.")

# Of models there may be thousands: `gauges` makes these when they are asked for.
MODELS = Gauge(
    "modelyard_models", "ModelDeployments by readiness and reason.", ["namespace", "ready", "reason"], registry=None
)
MODEL_REPLICAS = Gauge(
    "modelyard_model_replicas", "Replicas of a model.", ["namespace", "model", "state"], registry=None
)
MODEL_CONDITION = Gauge(
    "modelyard_model_condition",
    "1 when the condition is True, 0 otherwise.",
    ["namespace", "model", "condition", "reason"],
    registry=None,
)

RECONCILES = Counter("modelyard_reconcile_total", "Reconciles by result.", ["result"])
RECONCILE_SECONDS = Histogram(
    "modelyard_reconcile_duration_seconds",
    "Time of one reconcile with its API requests.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
QUEUE_DEPTH = Gauge("modelyard_queue_depth", "Models that wait for a reconcile.")
QUEUE_OLDEST = Gauge("modelyard_queue_oldest_seconds", "How long the oldest of them has waited.")

API_REQUESTS = Counter(
    "modelyard_api_requests_total", "Requests to the API server; code 0 is no answer.", ["verb", "resource", "code"]
)
API_WRITES = Counter("modelyard_api_writes_total", "Writes to the API server by cause.", ["kind", "reason"])
UNREADABLE = Counter("modelyard_unreadable_objects_total", "Objects that could not be read.", ["resource"])
WATCH_EVENTS = Counter("modelyard_watch_events_total", "Events that watches brought.", ["resource"])
WATCH_RESTARTS = Counter("modelyard_watch_restarts_total", "Watches that were opened again.", ["resource"])
WATCH_LAST_EVENT = Gauge("modelyard_watch_last_event_seconds", "Age of the last event or bookmark.", ["resource"])
