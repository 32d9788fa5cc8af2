"""values.yaml, values.schema.json and the README's table agree, and a mistake in a value is an error."""

import importlib.util
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from chart.rendering import CHART, PROJECT, Chart

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
# Helm itself hands `global` to a chart that is part of another one.
FROM_HELM = {"global"}

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"operatr.replicas": 3}, "additional properties 'operatr' not allowed"),
    ({"operator.replica": 3}, "at '/operator': additional properties 'replica' not allowed"),
    ({"operator.replicas": 0}, "at '/operator/replicas'"),
    ({"operator.replicas": "two"}, "at '/operator/replicas'"),
    ({"operator.drainTimeout": 30}, "at '/operator/drainTimeout'"),
    ({"operator.log.level": "verbose"}, "at '/operator/log/level'"),
    ({"operator.resources.limit": {"memory": "1Gi"}}, "additional properties 'limit' not allowed"),
    ({"operator.resources.limits.memory": "1GB"}, "at '/operator/resources/limits/memory'"),
    ({"images.pullPolicy": "Sometimes"}, "at '/images/pullPolicy'"),
    ({"images.operator.digest": "abc"}, "at '/images/operator/digest'"),
    ({"namespaces": "team-a"}, "at '/namespaces'"),
    ({"namespaces": ["Team_A"]}, "at '/namespaces/0'"),
    ({"objectStore.endpoint": "object-store:80"}, "at '/objectStore/endpoint'"),
    ({"acceleratorProfiles.a100": {"vendor": "nvidia"}}, "missing property 'resourceName'"),
    (
        {"acceleratorProfiles.a100": {"vendor": "nvidea", "resourceName": "nvidia.com/gpu"}},
        "'/acceleratorProfiles/a100",
    ),
    ({"monitoring.podMonitor.enabled": "yes"}, "value must be one of 'auto', true, false"),
    ({"monitoring.serviceMonitor.interval": 30}, "at '/monitoring/serviceMonitor/interval'"),
    ({"gateway.replica": 3}, "at '/gateway': additional properties 'replica' not allowed"),
    ({"gateway.audiences": []}, "at '/gateway/audiences'"),
    ({"gateway.audiences": ["a,b"]}, "at '/gateway/audiences/0'"),
    ({"gateway.domain": "Models.example.com"}, "at '/gateway/domain'"),
    ({"gateway.service.type": "Loadbalancer"}, "at '/gateway/service/type'"),
    ({"gateway.drainTimeout": -1}, "at '/gateway/drainTimeout'"),
    ({"networkPolicy.modelsAlsoFrom": [{"podSelektor": {}}]}, "additional properties 'podSelektor' not allowed"),
    ({"networkPolicy.apiServer.cidrs": ["10.0.0.1"]}, "at '/networkPolicy/apiServer/cidrs/0'"),
]


def keys(values: Any, prefix: str = "") -> Iterator[str]:
    """Every key of values.yaml that the chart defines, without those that users choose."""
    for key, value in values.items():
        yield prefix + key
        if isinstance(value, dict) and key not in {"resources", "acceleratorProfiles", "labels", "annotations"}:
            yield from keys(value, f"{prefix}{key}.")


def schema_keys(schema: Any, prefix: str = "") -> Iterator[str]:
    """Every property of the schema's own objects."""
    for key, value in schema.get("properties", {}).items():
        yield prefix + key
        yield from schema_keys(value, f"{prefix}{key}.")


def objects_of(schema: Any) -> Iterator[Any]:
    """Every object schema that lists its properties."""
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema["properties"], dict):
            yield schema
        for value in schema.values():
            yield from objects_of(value)


@pytest.mark.parametrize(("values", "message"), MISTAKES, ids=[" ".join(values) for values, _ in MISTAKES])
def test_a_mistake_in_a_value_is_refused_with_its_path(chart: Chart, values: dict[str, Any], message: str) -> None:
    assert message in chart.refusal(values)


def test_every_value_is_in_the_schema_and_the_other_way_round() -> None:
    assert set(keys(VALUES)) == set(schema_keys(SCHEMA)) - FROM_HELM


def test_every_object_of_the_schema_refuses_unknown_properties() -> None:
    assert [o for o in objects_of(SCHEMA) if o.get("additionalProperties") is not False] == []


def test_the_readme_table_is_up_to_date_and_explains_every_value() -> None:
    spec = importlib.util.spec_from_file_location("render_readme", PROJECT / "charts" / "render-readme.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = (CHART / "README.md").read_text()
    assert script.readme(text, (CHART / "values.yaml").read_text()) == text, "run charts/render-readme.py"
    assert [line for line in text.splitlines() if line.endswith("|  |")] == [], "values without a comment"
