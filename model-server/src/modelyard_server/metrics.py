"""Figures for Prometheus. Children are resolved once: the hot path only adds numbers."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily

PREFIX = "model_server_"
LABELS = ("model", "version")
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
REJECTIONS = ("queue_full", "timeout", "draining", "loading", "failed", "too_large")
_STATM = Path("/proc/self/statm")
_PAGE = 4096


class Metrics:
    """All metrics of the process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        GCCollector(self.registry)
        ProcessCollector(registry=self.registry)
        self._requests = self._counter("requests_total", "Requests answered.", "code", "protocol")
        self._duration = self._histogram("request_duration_seconds", "Whole request inside the server.", SECONDS)
        self._queue = self._histogram("queue_duration_seconds", "Wait for a batch.", SECONDS)
        self._inference = self._histogram("inference_duration_seconds", "One batch through the model.", SECONDS)
        self._rows = self._histogram("batch_rows", "Rows of a batch.", ROWS)
        self._rejected = self._counter("rejected_total", "Requests refused.", "reason")
        self._queue_rows = self._gauge("queue_rows", "Rows waiting.")
        self._inflight = self._gauge("inflight_requests", "Requests inside the server.")
        self._ready = self._gauge("model_ready", "1 when the model is loaded and warm.")
        self._load = self._gauge("model_load_duration_seconds", "Load and warm-up.")
        self._info = self._gauge("model_info", "The served package.", "format", "digest", "device")
        self._memory = self._gauge("memory_bytes", "Resident memory of the process.")
        self._codes: dict[tuple[int, str], Counter] = {}
        self._refusals: dict[str, Counter] = {}
        self.bind("", "")

    def bind(self, model: str, version: str) -> None:
        """Set the model and version that all figures carry; called at start and again once the package is read."""
        self._names = (model, version)
        for metric in (self._duration, self._queue, self._inference, self._rows, self._queue_rows, self._inflight,
                       self._ready, self._load, self._memory, self._rejected):  # fmt: skip
            metric.clear()
        self._codes.clear()
        self._duration_child = self._duration.labels(*self._names)
        self._queue_child = self._queue.labels(*self._names)
        self._inference_child = self._inference.labels(*self._names)
        self._rows_child = self._rows.labels(*self._names)
        self._refusals = {reason: self._rejected.labels(*self._names, reason) for reason in REJECTIONS}
        self._memory.labels(*self._names).set_function(resident_bytes)

    def watch(self, queue_rows: Callable[[], int], inflight: Callable[[], int], ready: Callable[[], bool]) -> None:
        """Gauges that are read at scrape time, so that requests need not touch them."""
        self._queue_rows.labels(*self._names).set_function(queue_rows)
        self._inflight.labels(*self._names).set_function(inflight)
        self._ready.labels(*self._names).set_function(ready)

    def loaded(self, seconds: float, package_format: str, digest: str, device: str) -> None:
        """The model is in service."""
        self._load.labels(*self._names).set(seconds)
        self._info.labels(*self._names, package_format, digest, device).set(1)

    def watch_device(self, device_memory: Callable[[], Mapping[str, int]]) -> None:
        """Accelerator memory, asked for at scrape time."""
        if device_memory():
            self.registry.register(_DeviceMemory(self._names, device_memory))

    def answered(self, protocol: str, code: int, seconds: float) -> None:
        """One request is done."""
        child = self._codes.get((code, protocol))
        if child is None:
            child = self._codes[code, protocol] = self._requests.labels(*self._names, str(code), protocol)
        child.inc()
        self._duration_child.observe(seconds)

    def batch(self, rows: int, inference_seconds: float, queue_seconds: list[float]) -> None:
        """One batch is done."""
        self._rows_child.observe(rows)
        self._inference_child.observe(inference_seconds)
        for seconds in queue_seconds:
            self._queue_child.observe(seconds)

    def rejected(self, reason: str) -> None:
        """One request was refused."""
        child = self._refusals.get(reason)
        if child is not None:
            child.inc()

    def render(self) -> bytes:
        """The text exposition."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, text, (*LABELS, *labels), registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(PREFIX + name, text, (*LABELS, *labels), registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(PREFIX + name, text, LABELS, registry=self.registry, buckets=buckets)


class _DeviceMemory:
    """Collector of accelerator memory."""

    def __init__(self, names: tuple[str, str], device_memory: Callable[[], Mapping[str, int]]) -> None:
        self._names = names
        self._device_memory = device_memory

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(PREFIX + "gpu_memory_bytes", "Accelerator memory.", labels=(*LABELS, "kind"))
        for kind, size in self._device_memory().items():
            family.add_metric((*self._names, kind), size)
        yield family


def resident_bytes() -> int:
    """Resident memory; 0 where /proc is not to be had."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE
    except OSError:
        return 0
