"""The gateway's part of the page."""

import json

import pytest
from bench.report import gateway

HEAD = {"kind": "head", "date": "2026-01-01", "cpus": 2, "load_before": 0.1, "body_bytes": 300, "answer_bytes": 200}


def page(*figures: tuple[str, float, str]) -> str:
    lines = [HEAD, *({"figure": name, "value": value, "unit": unit} for name, value, unit in figures)]
    return "\n".join(gateway.section(gateway.parse(json.dumps(one) for one in lines)))


def test_figures_stand_beside_their_targets() -> None:
    text = page(("added.c1.p50", 0.5, "ms"), ("routes.5000.address.max", 1200.0, "ms"), ("gateway.c1.rps", 1500.0, ""))
    assert "| 0.7 | 0.5 ✓ |" in text
    assert "| 1000 | 1200 ✗ |" in text
    assert "| gateway | 1500, –" in text  # noqa: RUF001 - what was not measured


def test_results_that_do_not_tell_of_the_machine_are_refused() -> None:
    with pytest.raises(ValueError, match="make bench-gateway"):
        gateway.parse(['{"figure": "x"}'])
