"""Metrics of what was used, of a bounded number of models and keys: whatever comes later is called other."""

from functools import cache

from prometheus_client import Counter, Histogram

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
    """Counts samples. A metric of these labels is looked up once: that costs more than to count."""

    def __init__(self) -> None:
        self._models = Known(MOST_MODELS)
        self._keys = Known(MOST_KEYS)
        self._of_model = cache(_of_model)
        self._of_key = cache(_of_key)

    def count(self, sample: Sample) -> None:
        """One more request."""
        used = sample.used
        model = self._models.bounded((sample.namespace, sample.model, sample.revision))
        requests, seconds, prompt, completion = self._of_model(model, sample.code // 100)
        requests.inc()
        seconds.observe(used.milliseconds / 1000)
        if used.tokens:
            prompt.inc(used.prompt_tokens)
            completion.inc(used.completion_tokens)
        if sample.estimated:
            metrics.ESTIMATED.inc()
        if sample.key:
            requests, prompt, completion = self._of_key(self._keys.bounded(sample.key))
            requests.inc()
            if used.tokens:
                prompt.inc(used.prompt_tokens)
                completion.inc(used.completion_tokens)


def _of_model(labels: Labels, hundreds: int) -> tuple[Counter, Histogram, Counter, Counter]:
    """Requests, seconds, and tokens of prompts and answers."""
    return (
        metrics.REQUESTS.labels(*labels, f"{hundreds}xx"),
        metrics.SECONDS.labels(*labels[:2]),
        metrics.TOKENS.labels(*labels, "prompt"),
        metrics.TOKENS.labels(*labels, "completion"),
    )


def _of_key(labels: Labels) -> tuple[Counter, Counter, Counter]:
    """Requests, and tokens of prompts and answers."""
    return (
        metrics.KEY_REQUESTS.labels(*labels),
        metrics.KEY_TOKENS.labels(*labels, "prompt"),
        metrics.KEY_TOKENS.labels(*labels, "completion"),
    )
