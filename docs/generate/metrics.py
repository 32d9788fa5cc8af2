"""The page of metrics, from the objects that the processes export."""

from collections.abc import Iterable

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

import modelyard_gateway.metrics
import modelyard_operator.metrics
from modelyard_server.metrics import Metrics

from .markdown import code, document, table

HEAD = ("metric", "type", "labels", "meaning")
Row = tuple[str, str, str, str]


def page() -> str:
    """Metrics of the operator, of the gateway and of the model server."""
    intro = (
        "How to scrape them, alerts and dashboards: [monitoring](../how-to/monitoring.md). All processes export the "
        "figures of Python itself as well (`process_…`, `python_…`)."
    )
    return document(
        "Metrics",
        intro,
        "## Operator\n\n" + table(HEAD, _rows(vars(modelyard_operator.metrics).values())),
        "## Gateway\n\nOf the process beside Envoy.\n\n" + table(HEAD, _rows(vars(modelyard_gateway.metrics).values())),
        "## Model server\n\n" + table(HEAD, sorted(_server_rows())),
    )


def _server_rows() -> list[Row]:
    server = Metrics()
    rows = _rows([*vars(server).values(), *server.texts.families])
    # What is asked of the device at scrape time is no object of its own: let there be a device.
    server.watch_process(("", ""), lambda: {"allocated": 0})
    with_device = {family.name: family for family in server.registry.collect()}
    memory = with_device["modelyard_server_gpu_memory_bytes"]
    return [*rows, _row(memory, list(memory.samples[0].labels), " Only with a GPU.")]


def _rows(objects: Iterable[object]) -> list[Row]:
    """One row for each metric; a metric and its labelled children are one."""
    rows = [
        _row(next(iter(one.describe())), one._labelnames)  # noqa: SLF001 - describe() tells no labels
        for one in objects
        if isinstance(one, MetricWrapperBase)
    ]
    return list(dict.fromkeys(rows))


def _row(family: Metric, labels: Iterable[str], more: str = "") -> Row:
    name = family.name + ("_total" if family.type == "counter" else "")
    return code(name), family.type, ", ".join(code(label) for label in labels), family.documentation + more
