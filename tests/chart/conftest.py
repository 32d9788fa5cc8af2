"""Fixtures of the chart's tests."""

import os
import shutil

import pytest

from chart.rendering import MONITORING_API, Chart, Object, find_helm


@pytest.fixture(scope="session")
def chart() -> Chart:
    """The chart and the helm that renders it."""
    return Chart(find_helm(os.environ))


@pytest.fixture(scope="session")
def defaults(chart: Chart) -> list[Object]:
    """All objects with default values, on a cluster that has the CRDs and the Prometheus Operator."""
    return chart.objects(apis=MONITORING_API)


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus' own checker of rules."""
    found = shutil.which("promtool")
    assert found, "no promtool; install prometheus: apt-get install --no-install-recommends prometheus"
    return found
