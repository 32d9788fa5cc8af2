"""The chart against a real API server: one install, upgrades in place, rollback, uninstall, and what RBAC allows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chart.rendering import CHART, NAMESPACE, PROJECT, RELEASE, Chart, find_helm, value_arguments
from integration.running import Cluster, Operator, eventually, model
from modelyard_local.controlplane import ControlPlane
from modelyard_operator.api.objects import ObjectMeta
from modelyard_operator.bundle import parse, plan

pytestmark = pytest.mark.integration

GROUP = "/apis/modelyard.dev/v1alpha1"
RUNTIMES, PROFILES = f"{GROUP}/modelruntimes", f"{GROUP}/acceleratorprofiles"
RUNTIME = f"{RUNTIMES}/modelyard-server"
PROFILE = f"{PROFILES}/nvidia"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
DIGITS = f"{GROUP}/namespaces/default/modeldeployments/digits"
MEMORY = "defaultRuntime.resources.limits.memory"
OPERATOR = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/modelyard-operator"
BUNDLE = f"/api/v1/namespaces/{NAMESPACE}/configmaps/modelyard-operator-bundle"
INSTALLATION = f"{NAMESPACE}/modelyard-operator"


class Installed(Cluster):
    """A control plane, the helm that installs into it, and the operator's pod, played by a process."""

    def helm(self, verb: str, values: dict[str, Any] | None = None, *, release: str = RELEASE) -> str:
        """Run helm; the chart is named for the verbs that need it."""
        chart = [str(CHART), "--create-namespace"] if verb == "install" else [str(CHART)] if verb == "upgrade" else []
        revision = ["1"] if verb == "rollback" else []
        arguments = [verb, release, *chart, *revision, "--namespace", NAMESPACE, *value_arguments(values or {})]
        # Discovery caches of other clusters are kept out.
        environment = {"KUBECONFIG": str(self.plane.kubeconfig), "HOME": str(self.plane.directory)}
        return Chart(find_helm(os.environ)).run(*arguments, env=environment).stdout

    @property
    def log(self) -> Path:
        """What the operators of this cluster said."""
        return self.plane.directory / "operator.log"

    @contextmanager
    def operator(self) -> Iterator[Operator]:
        """An operator with the ServiceAccount, environment and ConfigMap of the installed Deployment."""
        variables = self.found(OPERATOR)["spec"]["template"]["spec"]["containers"][0]["env"]
        told = {one["name"]: one["value"] for one in variables if one.get("value")}
        bundle = self.plane.directory / "bundle.yaml"
        bundle.write_text(self.found(BUNDLE)["data"]["bundle.yaml"])
        told |= {"MODELYARD_BUNDLE": str(bundle), "MODELYARD_LEASE_DURATION": "4", "MODELYARD_LOG_FORMAT": "text"}
        del told["MODELYARD_HTTP_PORT"]
        running = Operator(self.plane.service_account_kubeconfig(NAMESPACE, "modelyard-operator"), self.log, **told)
        running.quiet()
        yield running
        assert running.end() == 0, self.log.read_text()

    def bring(self) -> float:
        """Run an operator until nothing of its bundle is left to write; how many runtimes it wrote."""
        bundle = parse(self.found(BUNDLE)["data"]["bundle.yaml"].encode(), INSTALLATION)

        def live() -> dict[tuple[str, str], ObjectMeta]:
            found = [("ModelRuntime", one) for one in self.items(RUNTIMES)]
            found += [("AcceleratorProfile", one) for one in self.items(PROFILES)]
            return {(k, one["metadata"]["name"]): msgspec.convert(one["metadata"], ObjectMeta) for k, one in found}

        with self.operator() as running:
            eventually(lambda: not plan(bundle, live(), INSTALLATION).write)
            return running.metric("modelyard_api_writes_total", kind="ModelRuntime")

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
def cluster(tmp_path: Path) -> Iterator[Installed]:
    """An empty cluster."""
    with ControlPlane(tmp_path / "plane") as plane:
        yield Installed(plane)


def memory_limit(cluster: Installed) -> str:
    """The memory limit of the default runtime."""
    return str(cluster.found(RUNTIME)["spec"]["resources"]["limits"]["memory"])


def create_model(cluster: Installed) -> None:
    """A ModelDeployment of six lines."""
    cluster.plane.client().apply(DIGITS, model("default"))


def test_one_install_brings_the_crds_and_the_operator_writes_what_needs_them(cluster: Installed) -> None:
    notes = cluster.helm("install")
    assert "rollout status deployment/modelyard-operator" in notes
    cluster.bring()
    assert memory_limit(cluster) == "2Gi"
    assert cluster.found(PROFILE)["spec"]["resourceName"] == "nvidia.com/gpu"
    create_model(cluster)


def test_upgrades_and_rollbacks_reach_the_default_runtime_in_place(cluster: Installed) -> None:
    cluster.helm("install")
    cluster.bring()
    uid = cluster.found(RUNTIME)["metadata"]["uid"]
    cluster.helm("upgrade", {MEMORY: "3Gi", "acceleratorProfiles.nvidia": None})
    cluster.bring()
    assert memory_limit(cluster) == "3Gi"
    assert cluster.found(PROFILE)
    assert "kubectl delete acceleratorprofile nvidia" in cluster.log.read_text()
    cluster.helm("rollback")
    cluster.bring()
    assert memory_limit(cluster) == "2Gi"
    assert cluster.found(RUNTIME)["metadata"]["uid"] == uid


def test_an_edit_by_hand_outlives_the_operators_restart(cluster: Installed) -> None:
    cluster.helm("install")
    assert cluster.bring() == 1
    cluster.plane.client().merge(RUNTIME, {"spec": {"resources": {"limits": {"memory": "7Gi"}}}})
    assert cluster.bring() == 0
    assert memory_limit(cluster) == "7Gi"


def test_a_runtime_that_somebody_else_made_is_left_alone(cluster: Installed) -> None:
    cluster.helm("install")
    mine = {"image": "mine:1", "formats": [{"name": "torch"}]}
    document = {"apiVersion": "modelyard.dev/v1alpha1", "kind": "ModelRuntime", "spec": mine}
    cluster.kubectl("wait", "--for=condition=Established", "crd/modelruntimes.modelyard.dev")
    cluster.apply(document | {"metadata": {"name": "modelyard-server"}})
    with cluster.operator():
        eventually(lambda: "ModelRuntime modelyard-server was not made by this installation" in cluster.log.read_text())
        eventually(lambda: cluster.get(PROFILE))
    assert cluster.found(RUNTIME)["spec"]["image"] == "mine:1"


def test_models_survive_an_uninstall_and_the_next_install_takes_over(cluster: Installed) -> None:
    cluster.helm("install")
    cluster.bring()
    create_model(cluster)
    before = [cluster.found(path)["metadata"]["uid"] for path in (RUNTIME, DIGITS)]
    cluster.helm("uninstall")
    assert cluster.get(OPERATOR) is None
    cluster.helm("install", {MEMORY: "3Gi"})
    cluster.bring()
    assert memory_limit(cluster) == "3Gi"
    assert [cluster.found(path)["metadata"]["uid"] for path in (RUNTIME, DIGITS)] == before


def test_without_keep_an_uninstall_removes_the_crds(cluster: Installed) -> None:
    cluster.helm("install", {"crds.keep": False})
    cluster.helm("uninstall")
    crds = cluster.found(CRDS)["items"]
    assert [crd["metadata"]["name"] for crd in crds if "deletionTimestamp" not in crd["metadata"]] == []


def test_a_namespaced_operator_writes_in_its_namespaces_only(cluster: Installed) -> None:
    for namespace in ("team-a", "team-b"):
        cluster.kubectl("create", "namespace", namespace)
    cluster.helm("install", {"namespaces": ["team-a"]})
    operator = f"system:serviceaccount:{NAMESPACE}:modelyard-operator"
    assert cluster.allows(operator, "patch", "apps/deployments", "team-a")
    assert cluster.allows(operator, "list", "modelyard.dev/modelruntimes")
    assert not cluster.allows(operator, "patch", "apps/deployments", "team-b")
    assert not cluster.allows(operator, "list", "modelyard.dev/modeldeployments")
    assert not cluster.allows(operator, "get", "/secrets", "team-a")


def test_one_apply_installs_without_helm(cluster: Installed) -> None:
    cluster.kubectl("apply", "--server-side", "-f", str(PROJECT / "manifests" / "install.yaml"))
    cluster.bring()
    assert cluster.found(RUNTIME)["spec"]["command"] == ["modelyard-server"]
