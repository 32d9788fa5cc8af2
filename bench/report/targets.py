"""What each figure should be, and what KServe takes for the same on the same kind of machine. Pure data.

KServe: v0.20 (commit aaac4e29) in Standard mode on Kubernetes 1.37.1, 2 cores, 20 KWOK nodes; an InferenceService is a
Deployment, a Service and a HorizontalPodAutoscaler; bursts of 300. Some of its figures are single runs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table; `of_ratio` shows the multiple rather than the value."""

    figure: str
    label: str
    target: float | None = None
    kserve: str = ""
    of_ratio: bool = False


ROWS = (
    Row("burst.children", "burst: until all children exist, as a multiple of a bare apply", 1.5, "3.7", of_ratio=True),
    Row("cold.children", "operator started after the models: the same, its own start included", of_ratio=True),
    Row("burst.ready", "burst with nodes: until all are Ready, as a multiple of a bare apply's pods", of_ratio=True),
    Row("writes.per_model", "API writes per model until it is Ready", 5, "17"),
    Row("reads.per_model", "API reads per model until it is Ready", kserve="22"),
    Row("cpu.per_model_created", "CPU per model until its children exist", 2),
    Row("cpu.per_model", "CPU per model until it is Ready", kserve="58 to 67"),
    Row("latency.10.beyond.p50", "create to Deployment beyond a round trip, 10/s, p50", 2, "73 at 1/s"),
    Row("latency.10.beyond.p99", "create to Deployment beyond a round trip, 10/s, p99", 25, "134 at 1/s"),
    Row("latency.50.beyond.p50", "create to Deployment beyond a round trip, 50/s, p50", kserve="3400 at 5/s"),
    Row("latency.50.beyond.p99", "create to Deployment beyond a round trip, 50/s, p99", kserve="10100 at 5/s"),
    Row("flaps.writes", "API writes for 10,000 foreign status changes of children", 0, "6 per pod"),
    Row("flaps.cpu", "CPU per foreign status change", 0.02),
    Row("memory.base", "memory without models", 60, "70"),
    Row("memory.per_1000_models", "memory per 1,000 models, after the burst that made them", 12, "140"),
    Row("memory.restarted.per_1000_models", "memory per 1,000 models, after a restart", 12),
    Row("restart.quiet", "restart: until everything was compared", 1.5, "9.4 with 300"),
    Row("restart.writes", "restart: API writes", 0, "602 with 300"),
    Row("restart.reads", "restart: API reads", kserve="1205 with 300"),
    Row("handover.s", "leader told to stop: until the standby made a new model's Deployment", 5),
    Row("failover.s", "leader killed: until the standby made a new model's Deployment", 15),
    Row("fake.rate", "sustained rate on an API server that costs nothing", 200),
    Row("fake.cpu_per_model", "CPU per model on it", 2),
)
# Of these, more is better.
MORE = frozenset({"fake.rate"})


def met(row: Row, value: float) -> bool | None:
    """Whether a value is as good as its target; None without a target."""
    if row.target is None:
        return None
    return value >= row.target if row.figure in MORE else value <= row.target
