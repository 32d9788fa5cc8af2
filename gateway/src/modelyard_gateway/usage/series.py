"""Metrics of what was used, of a bounded number of models and keys: whatever comes later is called other."""

from modelyard_gateway import metrics

from .line import Sample

MOST_MODELS = 1000
MOST_KEYS = 1000
OTHER = "other"
Labels = tuple[str, ...]


class Known:
    """Lets so many different things through, and calls all others `other`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[Labels] = set()

    def bounded(self, labels: Labels) -> Labels:
        """The same, or the same number of `other`."""
        if labels not in self._known:
            if len(self._known) >= self._most:
                return (OTHER,) * len(labels)
            self._known.add(labels)
        return labels


class Series:
    """Counts samples."""

    def __init__(self) -> None:
        self._models = Known(MOST_MODELS)
        self._keys = Known(MOST_KEYS)

    def count(self, sample: Sample) -> None:
        """One more request."""
        used = sample.used
        namespace, model, revision = self._models.bounded((sample.namespace, sample.model, sample.revision))
        metrics.REQUESTS.labels(namespace, model, revision, f"{sample.code // 100}xx").inc()
        metrics.SECONDS.labels(namespace, model).observe(used.milliseconds / 1000)
        if used.tokens:
            metrics.TOKENS.labels(namespace, model, revision, "prompt").inc(used.prompt_tokens)
            metrics.TOKENS.labels(namespace, model, revision, "completion").inc(used.completion_tokens)
        if sample.estimated:
            metrics.ESTIMATED.inc()
        if sample.key:
            key = self._keys.bounded(sample.key)
            metrics.KEY_REQUESTS.labels(*key).inc()
            if used.tokens:
                metrics.KEY_TOKENS.labels(*key, "prompt").inc(used.prompt_tokens)
                metrics.KEY_TOKENS.labels(*key, "completion").inc(used.completion_tokens)
