"""The catalogue that dashboards and alerts are checked against is what operator, gateway and model server export."""

from collections.abc import Iterable

from prometheus_client.metrics import MetricWrapperBase

import modelyard_gateway.metrics
import modelyard_operator.metrics
from chart.promql import METRICS
from modelyard_server.metrics import Metrics

# Made at scrape time, or by prometheus_client itself.
UNDECLARED = {"modelyard_server_gpu_memory_bytes", "process_cpu_seconds_total"}
SUFFIX = {"counter": "_total", "histogram": " (histogram)"}


def catalog(metrics: Iterable[object]) -> dict[str, set[str]]:
    """Names as in the catalogue, each with its labels."""
    return {
        metric._name + SUFFIX.get(str(metric._type), ""): set(metric._labelnames)
        for metric in metrics
        if isinstance(metric, MetricWrapperBase)
    }


def test_the_catalog_is_what_the_code_exports() -> None:
    server = Metrics()
    exported = catalog(vars(modelyard_operator.metrics).values())
    exported |= catalog(vars(modelyard_gateway.metrics).values())
    exported |= catalog([*vars(server).values(), *server.texts.families])
    listed = {name: set(labels.split()) for name, labels in METRICS.items() if name not in UNDECLARED}
    assert exported == listed
