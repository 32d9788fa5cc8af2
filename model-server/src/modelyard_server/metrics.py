"""Figures for Prometheus. Children are resolved once: the hot path only adds numbers."""

import weakref
from collections import Counter as Tally
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

from modelyard_server.text_metrics import LABELS, PREFIX, TextFamilies, TextFigures

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
PAUSES = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
Names = tuple[str, str]
"""Model and version."""
REJECTIONS = ("queue_full", "timeout", "draining", "loading", "failed", "too_large")
SETTLE_AT = 1000
"""Requests whose numbers wait to be added up, at most."""
_STATM = Path("/proc/self/statm")
_PAGE = 4096


class Metrics:
    """All metrics of the process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._figures: weakref.WeakSet[Figures] = weakref.WeakSet()
        GCCollector(self.registry)
        ProcessCollector(registry=self.registry)
        self.requests = self._counter("requests_total", "Requests answered.", "code", "protocol")
        self.duration = self._histogram("request_duration_seconds", "Whole request inside the server.", SECONDS)
        self.queue = self._histogram("queue_duration_seconds", "Wait for a batch.", SECONDS)
        self.inference = self._histogram("inference_duration_seconds", "One batch through the model.", SECONDS)
        self.rows = self._histogram("batch_rows", "Rows of a batch.", ROWS)
        self.rejections = self._counter("rejected_total", "Requests refused.", "reason")
        self.queue_rows = self._gauge("queue_rows", "Rows waiting.")
        self.inflight = self._gauge("inflight_requests", "Requests inside the server.")
        self.model_ready = self._gauge("model_ready", "1 when the model is loaded and warm.")
        self.load = self._gauge("model_load_duration_seconds", "Load and warm-up.")
        self.parameters = self._gauge(
            "parameter_bytes", "Memory of the model's weights and buffers, counted one by one."
        )
        self.info = self._gauge("model_info", "The served package.", "format", "digest", "device")
        self.gc_pause = Histogram(
            PREFIX + "gc_pause_seconds",
            "One stop of the process for Python's garbage collection.",
            registry=self.registry,
            buckets=PAUSES,
        )
        self.memory = self._gauge("memory_bytes", "Resident memory of the process.")
        self.texts = TextFamilies(self.registry)

    def of_text(self, model: str, version: str) -> TextFigures:
        """The further figures of one version of a model that generates text."""
        return TextFigures(self.texts, self.rejections, (model, version))

    def of(self, model: str, version: str) -> "Figures":
        """The figures of one version of one model."""
        figures = Figures(self, (model, version))
        self._figures.add(figures)
        return figures

    def remove(self, model: str, version: str) -> None:
        """Forget a version that has left for good."""
        families = (self.requests, self.duration, self.queue, self.inference, self.rows, self.info,
                    self.rejections, self.queue_rows, self.inflight, self.model_ready, self.load,
                    self.parameters)  # fmt: skip
        gone = [figures for figures in self._figures if figures.names == (model, version)]
        self._figures.difference_update(gone)
        for family in (*families, *self.texts.families):
            family.remove_by_labels({"model": model, "version": version})

    def watch_ready(self, model: str, version: str, ready: Callable[[], bool]) -> None:
        """Whether a version serves, read at scrape time."""
        self.model_ready.labels(model, version).set_function(ready)

    def watch_process(self, names: Names, device_memory: Callable[[], Mapping[str, int]]) -> None:
        """Memory of the whole process; it carries the labels of its model where there is only one."""
        self.memory.labels(*names).set_function(resident_bytes)
        self.registry.register(_DeviceMemory(names, device_memory))

    def rejected(self, model: str, version: str, reason: str) -> None:
        """One request was refused before it came to a model."""
        self.rejections.labels(model, version, reason).inc()

    def render(self) -> bytes:
        """The text exposition."""
        for figures in self._figures:
            figures.settle()
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, text, (*LABELS, *labels), registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(PREFIX + name, text, (*LABELS, *labels), registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(PREFIX + name, text, LABELS, registry=self.registry, buckets=buckets)


class Figures:
    """Children for one version of one model, resolved once.

    A request only appends its numbers; they are added up when somebody looks, or when there are many of them.
    """

    def __init__(self, metrics: Metrics, names: Names) -> None:
        self._metrics = metrics
        self.names = names
        self._answers: list[tuple[int, str, float]] = []
        self._waits: list[float] = []
        self._duration = metrics.duration.labels(*names)
        self._queue = metrics.queue.labels(*names)
        self._inference = metrics.inference.labels(*names)
        self._rows = metrics.rows.labels(*names)
        self._refusals = {reason: metrics.rejections.labels(*names, reason) for reason in REJECTIONS}

    def watch(self, queue_rows: Callable[[], int], inflight: Callable[[], int]) -> None:
        """Gauges that are read at scrape time, so that requests need not touch them."""
        self._metrics.queue_rows.labels(*self.names).set_function(queue_rows)
        self._metrics.inflight.labels(*self.names).set_function(inflight)

    def loaded(self, seconds: float, parameter_bytes: int, package: tuple[str, str, str]) -> None:
        """The model is in service; `package` is format, digest and device."""
        self._metrics.load.labels(*self.names).set(seconds)
        self._metrics.parameters.labels(*self.names).set(parameter_bytes)
        self._metrics.info.remove_by_labels({"model": self.names[0], "version": self.names[1]})
        self._metrics.info.labels(*self.names, *package).set(1)

    def answered(self, protocol: str, code: int, seconds: float) -> None:
        """One request is done."""
        self._answers.append((code, protocol, seconds))
        if len(self._answers) >= SETTLE_AT:
            self.settle()

    def batch(self, rows: int, inference_seconds: float, queue_seconds: list[float]) -> None:
        """One batch is done."""
        self._rows.observe(rows)
        self._inference.observe(inference_seconds)
        self._waits += queue_seconds
        if len(self._waits) >= SETTLE_AT:
            self.settle()

    def settle(self) -> None:
        """Add up what requests have left."""
        answers, self._answers = self._answers, []
        waits, self._waits = self._waits, []
        for (code, protocol), count in Tally((code, protocol) for code, protocol, _ in answers).items():
            self._metrics.requests.labels(*self.names, str(code), protocol).inc(count)
        for _, _, seconds in answers:
            self._duration.observe(seconds)
        for seconds in waits:
            self._queue.observe(seconds)

    def rejected(self, reason: str) -> None:
        """One request was refused."""
        self._refusals[reason].inc()


class _DeviceMemory:
    """Collector of accelerator memory."""

    def __init__(self, names: Names, device_memory: Callable[[], Mapping[str, int]]) -> None:
        self._names = names
        self._device_memory = device_memory

    def collect(self) -> Iterator[GaugeMetricFamily]:
        if not (memory := self._device_memory()):
            return
        family = GaugeMetricFamily(PREFIX + "gpu_memory_bytes", "Accelerator memory.", labels=(*LABELS, "kind"))
        for kind, size in memory.items():
            family.add_metric((*self._names, kind), size)
        yield family


def resident_bytes() -> int:
    """Resident memory; 0 where /proc is not to be had."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE
    except OSError:
        return 0
