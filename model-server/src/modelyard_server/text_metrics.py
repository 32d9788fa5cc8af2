"""Figures of models that generate text: tokens, and the times that a reader of the answer feels."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PREFIX = "modelyard_server_"
LABELS = ("model", "version")
FIRST = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
BETWEEN = (0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5)
STEP = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


class TextFamilies:
    """The metrics, one child per model and version."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.prompt = self._counter("prompt_tokens_total", "Tokens of prompts that were taken.")
        self.cached = self._counter("prompt_tokens_cached_total", "Tokens of prompts that the cache held already.")
        self.generated = self._counter("generated_tokens_total", "Tokens of answers.")
        self.first = self._histogram("time_to_first_token_seconds", "From arrival to an answer's first token.", FIRST)
        self.between = self._histogram("inter_token_seconds", "Between two tokens of an answer.", BETWEEN)
        self.waited = self._histogram("slot_wait_seconds", "Wait for a slot.", FIRST)
        self.steps = self._histogram("step_tokens", "Tokens that one step computes.", STEP)
        self.step_seconds = self._histogram("step_duration_seconds", "One step on the inference thread.", BETWEEN)
        self.running = self._gauge("running_sequences", "Answers that have a slot.")
        self.waiting = self._gauge("waiting_sequences", "Answers that wait for a slot.")
        self.usage = self._gauge("kv_cache_usage_ratio", "Share of the cache that running answers hold, 0 to 1.")
        self.families = (
            self.prompt, self.cached, self.generated, self.first, self.between, self.waited, self.steps,
            self.step_seconds, self.running, self.waiting, self.usage,
        )  # fmt: skip

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(PREFIX + name, text, LABELS, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(PREFIX + name, text, LABELS, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(PREFIX + name, text, LABELS, registry=self._registry, buckets=buckets)


class TextFigures:
    """Children for one version of one model, resolved once."""

    def __init__(self, families: TextFamilies, rejections: Counter, names: tuple[str, str]) -> None:
        self._families = families
        self._names = names
        self._rejections = rejections
        self._prompt, self._cached = families.prompt.labels(*names), families.cached.labels(*names)
        self._generated = families.generated.labels(*names)
        self._first, self._between = families.first.labels(*names), families.between.labels(*names)
        self._waited = families.waited.labels(*names)
        self._steps, self._step_seconds = families.steps.labels(*names), families.step_seconds.labels(*names)

    def watch(self, running: Callable[[], float], waiting: Callable[[], float], usage: Callable[[], float]) -> None:
        """Gauges that are read at scrape time."""
        gauges = (self._families.running, self._families.waiting, self._families.usage)
        for gauge, read in zip(gauges, (running, waiting, usage), strict=True):
            gauge.labels(*self._names).set_function(read)

    def started(self, waited: float, prompt: int, cached: int) -> None:
        """An answer got its slot."""
        self._waited.observe(waited)
        self._prompt.inc(prompt)
        self._cached.inc(cached)

    def first_token(self, seconds: float) -> None:
        """An answer began."""
        self._generated.inc()
        self._first.observe(seconds)

    def token(self, seconds: float) -> None:
        """An answer grew."""
        self._generated.inc()
        self._between.observe(seconds)

    def step(self, tokens: int, seconds: float) -> None:
        """One step is done."""
        self._steps.observe(tokens)
        self._step_seconds.observe(seconds)

    def rejected(self, reason: str) -> None:
        """One answer was refused, or ended early."""
        self._rejections.labels(*self._names, reason).inc()
