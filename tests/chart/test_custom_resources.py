"""CRDs and the custom resources that come with them: generated, valid, and installed by one command."""

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from chart.rendering import MODELYARD_API, PROJECT, Chart, Object, named, only

CUSTOM_KINDS = {api.rsplit("/", 1)[1] for api in MODELYARD_API}
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


@pytest.mark.parametrize("case", CASES)
def test_custom_resources_fit_their_crds(chart: Chart, case: str) -> None:
    schemas = crd_schemas()
    for document in chart.objects(CASES[case], apis=MODELYARD_API):
        if document["kind"] in CUSTOM_KINDS:
            schema = closed(schemas[document["kind"]])
            schema["properties"]["metadata"] = {"type": "object"}
            errors = [e.message for e in Draft202012Validator(schema).iter_errors(document)]
            assert errors == [], document["metadata"]["name"]


def test_a_custom_resource_is_a_hook_until_its_crd_is_served(chart: Chart) -> None:
    first = only(chart.objects(), "ModelRuntime")
    later = only(chart.objects(apis=MODELYARD_API), "ModelRuntime")
    assert first["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade,post-rollback"
    assert "annotations" not in later["metadata"]
    assert first["spec"] == later["spec"]


def test_without_its_own_crds_the_chart_needs_no_hook(chart: Chart) -> None:
    assert "annotations" not in only(chart.objects({"crds.enabled": False}), "ModelRuntime")["metadata"]


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


def test_an_accelerator_profile_set_to_null_is_left_out(chart: Chart) -> None:
    assert named(chart.objects({"acceleratorProfiles.nvidia": None}), "AcceleratorProfile") == set()
