"""The chart against a real API server: one install, upgrades in place, rollback, uninstall, and what RBAC allows."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chart.rendering import CHART, NAMESPACE, PROJECT, RELEASE, Chart, find_helm, value_arguments
from modelyard_local.controlplane import ControlPlane
from modelyard_local.paths import Paths
from modelyard_local.tools import ToolBox

pytestmark = pytest.mark.integration

GROUP = "/apis/modelyard.dev/v1alpha1"
RUNTIME = f"{GROUP}/modelruntimes/modelyard-server"
PROFILE = f"{GROUP}/acceleratorprofiles/nvidia"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
DIGITS = f"{GROUP}/namespaces/default/modeldeployments/digits"
MEMORY = "defaultRuntime.resources.limits.memory"


@dataclass(frozen=True)
class Cluster:
    """A control plane and the helm that installs into it."""

    plane: ControlPlane
    home: Path

    def helm(self, verb: str, values: dict[str, Any] | None = None, *, release: str = RELEASE) -> str:
        """Run helm; the chart is named for the verbs that need it."""
        chart = [str(CHART), "--create-namespace"] if verb == "install" else [str(CHART)] if verb == "upgrade" else []
        revision = ["1"] if verb == "rollback" else []
        arguments = [verb, release, *chart, *revision, "--namespace", NAMESPACE, *value_arguments(values or {})]
        return Chart(find_helm(os.environ)).run(*arguments, env=self.environment()).stdout

    def kubectl(self, *arguments: str) -> None:
        """Run kubectl as administrator."""
        kubectl = str(ToolBox(Paths.from_env(os.environ)).path("kubectl"))
        environment = {**os.environ, **self.environment()}
        done = subprocess.run([kubectl, *arguments], check=False, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr

    def environment(self) -> dict[str, str]:
        """Keep discovery caches of other clusters out."""
        return {"KUBECONFIG": str(self.plane.kubeconfig), "HOME": str(self.home)}

    def get(self, path: str) -> dict[str, Any] | None:
        """An object, or None."""
        return self.plane.client().get(path)

    def found(self, path: str) -> dict[str, Any]:
        """An object that must be there."""
        document = self.get(path)
        assert document is not None, f"{path} is missing"
        return document

    def allows(self, user: str, verb: str, resource: str, namespace: str = "") -> bool:
        """Whether RBAC lets a user do something; the resource is group/resource/subresource."""
        group, name, *sub = resource.split("/")
        attributes = {
            "verb": verb,
            "group": group,
            "resource": name,
            "subresource": "".join(sub),
            "namespace": namespace,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": attributes},
        }
        answer = self.plane.client().request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """An empty cluster."""
    with ControlPlane(tmp_path / "plane") as plane:
        yield Cluster(plane, tmp_path)


def memory_limit(runtime: dict[str, Any]) -> str:
    """The memory limit of the default runtime."""
    return str(runtime["spec"]["resources"]["limits"]["memory"])


def create_model(cluster: Cluster) -> None:
    """A ModelDeployment of six lines."""
    model = {
        "apiVersion": "modelyard.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "digits"},
        "spec": {"model": {"uri": "s3://models/digits/1"}},
    }
    cluster.plane.client().apply(DIGITS, model)


def test_one_install_brings_the_crds_and_the_objects_that_need_them(cluster: Cluster) -> None:
    notes = cluster.helm("install")
    assert "rollout status deployment/modelyard-operator" in notes
    assert memory_limit(cluster.found(RUNTIME)) == "2Gi"
    assert cluster.found(PROFILE)["spec"]["resourceName"] == "nvidia.com/gpu"
    create_model(cluster)


def test_every_upgrade_reaches_the_default_runtime_and_later_ones_patch_it_in_place(cluster: Cluster) -> None:
    cluster.helm("install")
    cluster.helm("upgrade", {MEMORY: "3Gi"})
    first = cluster.found(RUNTIME)
    assert memory_limit(first) == "3Gi"
    cluster.helm("upgrade", {MEMORY: "4Gi", "acceleratorProfiles.nvidia": None})
    second = cluster.found(RUNTIME)
    assert memory_limit(second) == "4Gi"
    assert second["metadata"]["uid"] == first["metadata"]["uid"]
    assert cluster.get(PROFILE) is None


def test_a_rollback_to_the_first_install_keeps_the_default_runtime(cluster: Cluster) -> None:
    cluster.helm("install")
    cluster.helm("upgrade", {MEMORY: "3Gi"})
    cluster.helm("rollback")
    assert memory_limit(cluster.found(RUNTIME)) == "2Gi"
    cluster.helm("upgrade", {MEMORY: "5Gi"})
    assert memory_limit(cluster.found(RUNTIME)) == "5Gi"


def test_models_survive_an_uninstall_and_the_next_install_takes_over(cluster: Cluster) -> None:
    cluster.helm("install")
    create_model(cluster)
    cluster.helm("uninstall")
    assert cluster.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/modelyard-operator") is None
    model = cluster.found(DIGITS)
    cluster.helm("install", {MEMORY: "3Gi"})
    assert memory_limit(cluster.found(RUNTIME)) == "3Gi"
    assert cluster.found(DIGITS)["metadata"]["uid"] == model["metadata"]["uid"]


def test_without_keep_an_uninstall_removes_the_crds(cluster: Cluster) -> None:
    cluster.helm("install", {"crds.keep": False})
    cluster.helm("uninstall")
    crds = cluster.found(CRDS)["items"]
    assert [crd["metadata"]["name"] for crd in crds if "deletionTimestamp" not in crd["metadata"]] == []


def test_a_namespaced_operator_writes_in_its_namespaces_only(cluster: Cluster) -> None:
    for namespace in ("team-a", "team-b"):
        cluster.kubectl("create", "namespace", namespace)
    cluster.helm("install", {"namespaces": ["team-a"]})
    operator = f"system:serviceaccount:{NAMESPACE}:modelyard-operator"
    assert cluster.allows(operator, "patch", "apps/deployments", "team-a")
    assert cluster.allows(operator, "list", "modelyard.dev/modelruntimes")
    assert not cluster.allows(operator, "patch", "apps/deployments", "team-b")
    assert not cluster.allows(operator, "list", "modelyard.dev/modeldeployments")
    assert not cluster.allows(operator, "get", "/secrets", "team-a")


def test_the_manifests_install_without_helm(cluster: Cluster) -> None:
    manifests = PROJECT / "manifests"
    cluster.kubectl("apply", "--server-side", "-f", str(manifests / "install.yaml"))
    selector = "app.kubernetes.io/part-of=modelyard"
    cluster.kubectl("wait", "--for=condition=Established", "crd", "-l", selector, "--timeout=30s")
    cluster.kubectl("apply", "--server-side", "-f", str(manifests / "defaults.yaml"))
    assert cluster.found(RUNTIME)["spec"]["command"] == ["modelyard-server"]
