"""Whatever the switches, the chart renders objects that Kubernetes accepts, each once and where it belongs."""

import json
from collections import Counter
from typing import Any

import kubernetes_validate
import pytest
import yaml

from chart.rendering import CHART, MONITORING_API, NAMESPACE, PROJECT, Chart, Object

KUBERNETES = "1.37"
CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}
MONITORING_KINDS = {api.rsplit("/", 1)[1] for api in MONITORING_API}
CASES: dict[str, dict[str, Any]] = yaml.safe_load((PROJECT / "tests" / "chart" / "cases.yaml").read_text())


@pytest.fixture(params=CASES, scope="session")
def rendered(request: pytest.FixtureRequest, chart: Chart) -> list[Object]:
    """All objects of one case."""
    return chart.objects(CASES[request.param], apis=MONITORING_API)


def test_helm_lint_finds_nothing(chart: Chart) -> None:
    chart.run("lint", "--strict", str(CHART))


def test_kubernetes_accepts_every_object(rendered: list[Object]) -> None:
    for document in rendered:
        if document["kind"] not in MONITORING_KINDS:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_every_object_is_rendered_once_with_the_common_labels(rendered: list[Object]) -> None:
    identities = Counter((o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in rendered)
    assert [identity for identity, count in identities.items() if count > 1] == []
    for document in rendered:
        assert document["metadata"]["labels"]["app.kubernetes.io/part-of"] == "modelyard", document["metadata"]["name"]


def test_namespaced_objects_name_their_namespace(rendered: list[Object]) -> None:
    for document in rendered:
        expected = [None] if document["kind"] in CLUSTER_SCOPED else [NAMESPACE, "team-a", "team-b"]
        assert document["metadata"].get("namespace") in expected, document["metadata"]["name"]


def test_switched_off_leaves_only_the_operator(chart: Chart) -> None:
    rendered = chart.objects(CASES["everything optional off"], apis=MONITORING_API)
    assert sorted(o["kind"] for o in rendered) == ["Deployment", "Service"]


def test_two_releases_share_no_name(chart: Chart) -> None:
    values = {"crds.enabled": False, "defaultRuntime.enabled": False, "acceleratorProfiles.nvidia": None}
    names = [{(o["kind"], o["metadata"]["name"]) for o in chart.objects(values, release=r)} for r in ("blue", "green")]
    assert names[0] & names[1] == set()


def test_the_notes_tell_the_next_commands(chart: Chart) -> None:
    notes = chart.run(
        "install",
        "modelyard",
        str(CHART),
        "--dry-run=client",
        "-n",
        NAMESPACE,
        "--set-json=namespaces=" + json.dumps(["team-a"]),
    ).stdout
    notes = notes.split("NOTES:")[1]
    manifest = notes.split("<<EOF\n")[1].split("EOF")[0]
    assert yaml.safe_load(manifest)["kind"] == "ModelDeployment"
    assert len(manifest.strip().splitlines()) <= 6
    assert "kubectl get mdep -n team-a -w" in notes
    assert "kubectl create token me --audience=modelyard.dev/inference -n team-a" in notes
    assert "http://localhost:8000/team-a/digits/v2/models/digits" in notes
