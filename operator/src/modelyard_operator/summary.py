"""The one line that people read first. Pure."""

from .api.model_deployment import ModelDeployment
from .facts import Facts, Verdict
from .reasons import Reason

SUMMARY_LIMIT = 160

SUMMARIES = {
    Reason.STARTING: "Starting pods",
    Reason.FETCHING: "Fetching model",
    Reason.LOADING: "Loading model",
    Reason.ROLLING_OUT: "Rolling out",
    Reason.ROLLOUT_PAUSED: "Rollout paused",
    Reason.INSUFFICIENT_GPU: "Waiting for GPU",
    Reason.CLAIM_NOT_ALLOCATED: "Waiting for GPU",
    Reason.PAUSED: "Paused",
}
# Waiting for these is told with its numbers.
NO_GPU = frozenset({Reason.INSUFFICIENT_GPU, Reason.CLAIM_NOT_ALLOCATED})


def summary(parent: ModelDeployment, facts: Facts, ready: Verdict) -> str:
    """One line for people: what `kubectl get` shows in the column STATUS."""
    desired = parent.spec.replicas
    if ready.status == "True":
        return "Ready"
    if ready.reason is Reason.PAUSED:
        return "Paused"
    name = SUMMARIES.get(ready.reason, ready.reason.value)
    if ready.reason in NO_GPU and facts.finding is not None:
        return cut(f"{name}: {facts.ready} of {desired} replicas ready, {facts.finding.message}", SUMMARY_LIMIT)
    if ready.reason in SUMMARIES:
        return f"{name}, {facts.ready} of {desired} ready"
    return cut(f"{name}: {ready.message}", SUMMARY_LIMIT)


def cut(text: str, limit: int) -> str:
    """The text, or its beginning."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
