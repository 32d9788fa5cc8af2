"""Monitors select what exists, and appear exactly when the value and the cluster say so."""

from typing import Any

import pytest
import yaml

from chart.promql import mistakes
from chart.rendering import CHART, MONITORING_API, PROJECT, Chart, Object, named, only

SWITCHES = {"serviceMonitor": "ServiceMonitor", "podMonitor": "PodMonitor", "prometheusRule": "PrometheusRule"}
ALERTS = [
    rule for group in yaml.safe_load((CHART / "rules" / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]


@pytest.mark.parametrize("switch", SWITCHES)
@pytest.mark.parametrize(
    ("enabled", "apis", "expected"),
    [
        ("auto", MONITORING_API, True),
        ("auto", (), False),
        (True, (), True),
        (True, MONITORING_API, True),
        (False, MONITORING_API, False),
    ],
)
def test_a_switch_and_the_cluster_decide(
    chart: Chart, switch: str, enabled: Any, apis: tuple[str, ...], expected: bool
) -> None:
    objects = chart.objects({f"monitoring.{switch}.enabled": enabled}, apis=apis)
    assert bool(named(objects, SWITCHES[switch])) is expected


def test_the_operators_monitor_keeps_the_models_namespace(defaults: list[Object]) -> None:
    endpoint = only(defaults, "ServiceMonitor")["spec"]["endpoints"][0]
    assert endpoint["port"] == only(defaults, "Service", "modelyard-operator-metrics")["spec"]["ports"][0]["name"]
    assert endpoint["honorLabels"] is True


def test_model_pods_are_monitored_in_the_watched_namespaces(chart: Chart, defaults: list[Object]) -> None:
    spec = only(defaults, "PodMonitor", "modelyard-models")["spec"]
    assert spec["selector"] == {"matchLabels": {"app.kubernetes.io/managed-by": "modelyard"}}
    assert spec["namespaceSelector"] == {"any": True}
    objects = chart.objects({"namespaces": ["team-a"]}, apis=MONITORING_API)
    assert only(objects, "PodMonitor", "modelyard-models")["spec"]["namespaceSelector"] == {"matchNames": ["team-a"]}


def test_both_containers_of_the_gateway_are_monitored(chart: Chart, defaults: list[Object]) -> None:
    spec = only(defaults, "PodMonitor", "modelyard-gateway")["spec"]
    pod = only(defaults, "Deployment", "modelyard-gateway")["spec"]["template"]
    assert spec["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    ports = {
        port["name"] for one in (*pod["spec"]["initContainers"], *pod["spec"]["containers"]) for port in one["ports"]
    }
    assert {one["port"] for one in spec["podMetricsEndpoints"]} == ports - {"http"}
    objects = chart.objects({"gateway.enabled": False}, apis=MONITORING_API)
    assert named(objects, "PodMonitor") == {"modelyard-models"}


def test_the_rule_object_holds_the_rules_file(defaults: list[Object]) -> None:
    spec = only(defaults, "PrometheusRule")["spec"]
    assert spec == yaml.safe_load((CHART / "rules" / "alerts.yaml").read_text())


def test_alerts_can_be_left_out_and_link_to_another_runbook_page(chart: Chart) -> None:
    values = {
        "monitoring.prometheusRule.disabledAlerts": ["ModelLatencyHigh"],
        "monitoring.prometheusRule.runbookUrl": "https://wiki.example.com/modelyard",
    }
    objects = chart.objects(values, apis=MONITORING_API)
    rules = [rule for group in only(objects, "PrometheusRule")["spec"]["groups"] for rule in group["rules"]]
    assert {rule["alert"] for rule in ALERTS} - {rule["alert"] for rule in rules} == {"ModelLatencyHigh"}
    assert all(rule["annotations"]["runbook_url"].startswith("https://wiki.example.com/modelyard#") for rule in rules)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_reads_metrics_that_exist(rule: dict[str, Any]) -> None:
    assert mistakes(rule["expr"]) == []
    assert rule["labels"]["severity"] in {"critical", "warning"}


def test_every_alert_has_its_section_in_the_runbooks_and_no_section_is_left_over() -> None:
    page = (PROJECT / "docs" / "how-to" / "runbooks.md").read_text()
    sections = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]
    assert sections == [rule["alert"] for rule in ALERTS]
    assert [rule["annotations"]["runbook_url"] for rule in ALERTS] == [
        f"docs/how-to/runbooks.md#{section.lower()}" for section in sections
    ]
