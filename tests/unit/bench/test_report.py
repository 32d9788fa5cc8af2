"""From results to tables, charts and the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from bench.control_plane.figures import Figures, quantile
from bench.report import tables
from bench.report.drawing import Axis, Series, axis, chart
from bench.report.page import files
from bench.report.results import Results, parse
from bench.report.targets import ROWS, Row, met

HEAD: dict[str, Any] = {
    "date": "2026-01-01",
    "cpus": 2,
    "python": "3.11",
    "versions": {"kubernetes": "v1"},
    "nodes": 40,
    "load_before": 0.1,
    "controller_manager_qps": 2000,
    "operator_settings": {"MODELYARD_WORKERS": "32"},
}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """What a run with 100 models writes."""
    path = tmp_path / "results.jsonl"
    found = Figures(path, HEAD)
    found.add("bare.children", 2.0, "s", models=100)
    found.add("burst.children", 3.2, "s", models=100, beside=("bare.children", 2.0))
    found.add("writes.per_model", 4.0, "per model", models=100)
    found.add("writes.patch.services", 1.0, "per model", models=100)
    found.add("memory.base", 50.0, "MB", models=100)
    found.add("memory.with_models", 60.0, "MB", models=100)
    found.add("fake.rate", 150.0, "models/s", models=2000)
    found.curve("bare.children", 100, [2.0, 1.0])
    found.curve("burst.children", 100, [float(at) for at in range(500)])
    found.curve("latency.10", 100, [0.002, 0.02])
    return parse(path.read_text().splitlines())


def test_a_figure_has_its_multiple_of_what_it_is_measured_beside(results: Results) -> None:
    found = results.figures["burst.children", 100]
    assert (found.value, found.ratio, found.ratio_to) == (3.2, 1.6, "bare.children")


def test_a_long_curve_is_thinned_and_ends_with_its_last_point(results: Results) -> None:
    points = results.curves["burst.children", 100]
    assert len(points) <= 130
    assert points[-1] == (499.0, 500)


def test_a_curve_counts_in_the_order_of_time(results: Results) -> None:
    assert results.curves["bare.children", 100] == [(1.0, 1), (2.0, 2)]


def test_only_what_was_measured_on_a_control_plane_is_a_size(results: Results) -> None:
    assert results.sizes == [100]


def test_results_without_a_head_are_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="make bench-control-plane"):
        parse(['{"figure": "x", "value": 1, "unit": "s"}'])


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("until all children exist", "1.6 (3.2 s) ✗"),
        ("API writes per model until", "4 ✓"),
        ("sustained rate", "150 ✗"),
        ("memory without models", "50 ✓"),
    ],
)
def test_a_row_shows_the_value_and_whether_it_is_good_enough(results: Results, label: str, shown: str) -> None:
    [row] = [line for line in tables.cells(results) if label in line[0]]
    assert row[3] == shown


def test_requests_are_listed_by_verb_and_resource(results: Results) -> None:
    assert list(tables.requests(results)) == [["request", "100 models"], ["patch services", "1.00"]]


def test_a_figure_without_a_target_is_neither_good_nor_bad() -> None:
    assert met(Row("x", "x"), 1.0) is None


def test_every_row_of_the_table_is_another_figure() -> None:
    assert len({row.figure for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("value", "text"), [(4.0, "4"), (0.0123, "0.0123"), (1234.5, "1234"), (12.34, "12.3")])
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert tables.number(value) == text


def test_a_terminal_s_table_is_aligned() -> None:
    assert tables.text([["a", "bb"], ["ccc", "d"]]) == "a    bb\nccc   d"


def test_the_page_shows_every_picture_that_is_drawn(results: Results) -> None:
    found = files(results)
    pictures = {path for path in found if path.endswith(".svg")}
    assert pictures == {"performance/burst.svg", "performance/latency.svg", "performance/memory.svg"}
    assert all(f"({path})" in found["performance.md"] for path in pictures)


def test_a_picture_that_has_no_data_is_left_out() -> None:
    found = files(parse([json.dumps({"kind": "head", **HEAD})]))
    assert list(found) == ["performance.md"]


def test_a_chart_is_well_formed_and_holds_one_line_for_each_series() -> None:
    drawn = chart(
        "a < b", axis("x", [3.0]), axis("y", [7.0]), [Series("one", [(0, 0), (3, 7)]), Series("two", [(1, 1)])]
    )
    root = ET.fromstring(drawn)  # noqa: S314 - we wrote it
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    starts_and_ends = [str(line.get("points")).split() for line in lines]
    assert [len(points) for points in starts_and_ends] == [2, 1]


@pytest.mark.parametrize(
    ("found", "ticks"),
    [
        (Axis("x", 0, 10), [0, 2, 4, 6, 8, 10]),
        (Axis("x", 0, 1.02), [0, 0.5, 1]),
        (Axis("x", 1, 1000, log=True), [1, 10, 100, 1000]),
    ],
)
def test_ticks_are_round_values(found: Axis, ticks: list[float]) -> None:
    assert found.ticks() == pytest.approx(ticks)


def test_a_logarithmic_axis_spans_whole_powers_of_ten() -> None:
    found = axis("x", [0.0, 3.0, 40.0], log=True)
    assert (found.low, found.high) == (1.0, 100.0)
    assert found.place(10.0) == pytest.approx(0.5)


@pytest.mark.parametrize(("part", "value"), [(0.5, 2.0), (0.99, 4.0), (0.25, 1.0), (1.0, 4.0)])
def test_a_quantile_is_one_of_the_values(part: float, value: float) -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], part) == value
