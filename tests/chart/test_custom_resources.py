"""CRDs, and the bundle of custom resources that the operator writes: generated, valid, and what the values say."""

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from chart.rendering import PROJECT, Chart, Object, only
from modelyard_operator.bundle import parse

CASES: dict[str, dict[str, Any]] = yaml.safe_load((PROJECT / "tests" / "chart" / "cases.yaml").read_text())


def crd_schemas() -> dict[str, Any]:
    """The OpenAPI schema of every kind of modelyard.dev."""
    documents = [yaml.safe_load(path.read_text()) for path in sorted((PROJECT / "manifests" / "crds").glob("*.yaml"))]
    return {d["spec"]["names"]["kind"]: d["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for d in documents}


def closed(schema: Any) -> Any:
    """Refuse unknown fields, which the API server would drop."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        result.setdefault("additionalProperties", False)
    return result


def bundle(chart: Chart, values: dict[str, Any] | None = None) -> dict[tuple[str, str], Object]:
    """The objects that the operator makes of its ConfigMap, by kind and name."""
    config = only(chart.objects(values), "ConfigMap", "modelyard-operator-bundle")
    return {(one["kind"], one["metadata"]["name"]): one for one in parse(config["data"]["bundle.yaml"].encode(), "x/y")}


@pytest.mark.parametrize("case", [name for name in CASES if name != "everything optional off"])
def test_bundled_objects_fit_their_crds(chart: Chart, case: str) -> None:
    schemas = crd_schemas()
    for (kind, name), document in bundle(chart, CASES[case]).items():
        schema = closed(schemas[kind])
        schema["properties"]["metadata"] = {"type": "object"}
        assert [e.message for e in Draft202012Validator(schema).iter_errors(document)] == [], name


def test_a_release_holds_no_object_of_its_own_crds(chart: Chart) -> None:
    kinds = {document["kind"] for document in chart.objects()}
    assert not kinds & set(crd_schemas())


def test_the_bundle_is_what_the_values_say(chart: Chart) -> None:
    assert bundle(chart).keys() == {("ModelRuntime", "modelyard-server"), ("AcceleratorProfile", "nvidia")}
    values = {
        "defaultRuntime.enabled": False,
        "acceleratorProfiles.big": {"vendor": "amd", "resourceName": "amd.com/gpu"},
    }
    assert bundle(chart, values).keys() == {("AcceleratorProfile", "big"), ("AcceleratorProfile", "nvidia")}
    assert bundle(chart, {"acceleratorProfiles.nvidia": None}).keys() == {("ModelRuntime", "modelyard-server")}


def test_another_bundle_starts_the_operator_again(chart: Chart) -> None:
    def stamp(values: dict[str, Any]) -> str:
        template = only(chart.objects(values), "Deployment", "modelyard-operator")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/bundle"])

    assert stamp({}) == stamp({"operator.workers": 3})
    assert stamp({}) != stamp({"defaultRuntime.resources.limits.memory": "3Gi"})


@pytest.mark.parametrize("keep", [True, False])
def test_crds_keep_decides_what_an_uninstall_leaves(chart: Chart, keep: bool) -> None:
    crds = [o for o in chart.objects({"crds.keep": keep}) if o["kind"] == "CustomResourceDefinition"]
    policies = {o["metadata"].get("annotations", {}).get("helm.sh/resource-policy") for o in crds}
    assert policies == ({"keep"} if keep else {None})


def test_crd_templates_are_the_generated_crds(defaults: list[Object]) -> None:
    for path in sorted((PROJECT / "manifests" / "crds").glob("*.yaml")):
        generated = yaml.safe_load(path.read_text())
        rendered = only(defaults, "CustomResourceDefinition", generated["metadata"]["name"])
        assert rendered["spec"] == generated["spec"], "run make generate"
