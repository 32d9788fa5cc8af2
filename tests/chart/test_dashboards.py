"""Dashboards are importable, complete and ask only for metrics that exist; linted without a Grafana."""

import json
import re
from itertools import combinations
from typing import Any

import pytest
import yaml

from chart.promql import mistakes
from chart.rendering import CHART, Object, only

FILES = sorted((CHART / "dashboards").glob("*.json"))
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
VARIABLE = re.compile(r"\$(?:\{(\w+)(?:[.:][^}]*)?\}|(\w+))")
# What stands for a variable when an expression is parsed.
SUBSTITUTES = {"__rate_interval": "5m", "namespace": "team-a", "model": "digits"}

Dashboard = dict[str, Any]
Panel = dict[str, Any]


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def dashboard(request: pytest.FixtureRequest) -> Dashboard:
    """One dashboard."""
    loaded: Dashboard = json.loads(request.param.read_text())
    return loaded


def panels(dashboard: Dashboard) -> list[Panel]:
    """All panels that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions(dashboard: Dashboard) -> list[tuple[str, str]]:
    """Title of the panel and expression of every target."""
    return [(panel["title"], target["expr"]) for panel in panels(dashboard) for target in panel["targets"]]


def substituted(text: str) -> str:
    """An expression as Prometheus gets it."""
    return VARIABLE.sub(lambda match: SUBSTITUTES[match[1] or match[2]], text)


def overlap(one: Panel, other: Panel) -> bool:
    """Whether two panels lie on each other."""
    a, b = one["gridPos"], other["gridPos"]
    apart = (
        a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"] or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    )
    return not apart


def test_all_dashboards_are_there() -> None:
    assert [path.stem for path in FILES] == ["fleet", "gateway", "model"]


def test_the_dashboard_can_be_imported_anywhere(dashboard: Dashboard) -> None:
    assert dashboard["id"] is None
    assert dashboard["uid"].startswith("modelyard-")
    assert dashboard["schemaVersion"] == 39
    assert "__inputs" not in dashboard
    assert dashboard["refresh"]
    assert dashboard["time"]["to"] == "now"


def test_panel_ids_are_unique(dashboard: Dashboard) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_panels_fit_the_grid(dashboard: Dashboard) -> None:
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in dashboard["panels"])
    assert [(a["title"], b["title"]) for a, b in combinations(dashboard["panels"], 2) if overlap(a, b)] == []


def test_every_panel_has_a_description_and_a_unit(dashboard: Dashboard) -> None:
    for panel in panels(dashboard):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_every_query_goes_to_the_chosen_data_source(dashboard: Dashboard) -> None:
    chosen = dashboard["templating"]["list"][0]
    assert (chosen["name"], chosen["type"], chosen["query"]) == ("datasource", "datasource", "prometheus")
    queries = [*panels(dashboard), *dashboard["templating"]["list"][1:]]
    queries += [target for panel in panels(dashboard) for target in panel["targets"]]
    assert all(query["datasource"] == DATASOURCE for query in queries)


def test_every_variable_is_defined(dashboard: Dashboard) -> None:
    defined = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = {match[1] or match[2] for match in VARIABLE.finditer(json.dumps(dashboard))}
    assert used - defined <= {"__all", "__data", "__rate_interval"}


def test_links_lead_to_a_dashboard_of_the_chart(dashboard: Dashboard) -> None:
    uids = {json.loads(path.read_text())["uid"] for path in FILES}
    assert set(re.findall(r"/d/([\w-]+)", json.dumps(dashboard))) <= uids


def test_every_expression_asks_for_metrics_that_exist(dashboard: Dashboard) -> None:
    found = {title: mistakes(substituted(expression)) for title, expression in expressions(dashboard)}
    assert {title: problems for title, problems in found.items() if problems} == {}


def test_variables_ask_for_metrics_that_exist(dashboard: Dashboard) -> None:
    for variable in dashboard["templating"]["list"][1:]:
        selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
        assert mistakes(f"sum by ({label}) ({substituted(selector)})") == []


def test_rates_follow_the_zoom(dashboard: Dashboard) -> None:
    windows = {window for _, expression in expressions(dashboard) for window in re.findall(r"\[(.*?)\]", expression)}
    assert windows == {"$__rate_interval"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_config_map_holds_the_file_as_it_is(defaults: list[Object], path: Any) -> None:
    config_map = only(defaults, "ConfigMap", f"modelyard-dashboard-{path.stem}")
    assert json.loads(config_map["data"][f"modelyard-{path.stem}.json"]) == json.loads(path.read_text())
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert len(yaml.safe_dump(config_map)) < 1_000_000
