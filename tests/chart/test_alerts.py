"""Each alert fires when it must and stays silent when it must not, judged by promtool over the cases in alerts/."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart.rendering import CHART, PROJECT

RULES = CHART / "rules" / "alerts.yaml"
CASES = sorted((PROJECT / "tests" / "chart" / "alerts").glob("*.yaml"))


def verdicts() -> dict[str, set[bool]]:
    """For every alert, whether there are cases in which it fires (True) and in which it does not (False)."""
    found: dict[str, set[bool]] = {}
    for path in CASES:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for check in test["alert_rule_test"]:
                found.setdefault(check["alertname"], set()).add(bool(check["exp_alerts"]))
    return found


def test_prometheus_accepts_the_rules(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", str(RULES)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_alerts_fire_as_their_cases_say(promtool: str, path: Path) -> None:
    done = subprocess.run([promtool, "test", "rules", str(path)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


def test_every_alert_has_a_case_for_firing_and_one_for_silence() -> None:
    groups: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    assert verdicts() == {alert: {True, False} for alert in alerts}
