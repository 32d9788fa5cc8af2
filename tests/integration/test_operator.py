"""The operator on a real API server, as its own ServiceAccount: what it makes, keeps, undoes and leaves alone."""

from pathlib import Path
from typing import Any

import pytest

from integration.running import MODELS, Cluster, Operator, assert_writes_nothing, eventually, model

pytestmark = pytest.mark.integration


def revisions(shared: Cluster, namespace: str) -> list[dict[str, Any]]:
    return shared.items(f"/apis/apps/v1/namespaces/{namespace}/controllerrevisions")


def test_six_lines_become_a_model_that_is_ready(shared: Cluster, fresh: Operator, namespace: str) -> None:
    before = fresh.metric("modelyard_api_writes_total")
    shared.apply(model(namespace))
    shared.make_ready(namespace)
    found = shared.model(namespace)["status"]
    assert found["summary"] == "Ready"
    assert found["ready"] == "1/1"
    assert found["model"] == {"digest": "sha256:" + "a" * 64, "version": "1", "format": "torch", "verified": True}
    assert found["url"] == f"http://digits.{namespace}.svc"
    assert found["revision"] == found["readyRevision"]
    assert [one["revision"] for one in revisions(shared, namespace)] == [1]
    # Service, Deployment, ControllerRevision, policy and keys of the namespace, and a status for each piece of news.
    statuses = fresh.metric("modelyard_api_writes_total", reason="status")
    assert fresh.metric("modelyard_api_writes_total") - before - statuses == 5
    assert statuses <= 4


def test_kubectl_shows_and_waits(shared: Cluster, operator: Operator, namespace: str) -> None:
    shared.apply(model(namespace))
    shared.make_ready(namespace)
    arguments = ["wait", "--for=condition=Ready", "mdep/digits", "-n", namespace]
    shared.kubectl(*arguments, "--timeout=5s")
    shown = shared.kubectl("get", "mdep", "-n", namespace, "-o", "wide").stdout
    assert all(word in shown for word in ("Ready", "1/1", "s3://models/digits/1", "modelyard-server", "sha256:aaaa"))
    shared.apply(model(namespace, model={"uri": "s3://models/digits/2"}))
    # The new revision has no ready pod, so the old condition must not be taken for the new one.
    assert shared.kubectl(*arguments, "--timeout=1s", check=False).returncode != 0
    shared.make_ready(namespace)
    shared.kubectl(*arguments, "--timeout=5s")


def test_kubectl_scale_and_the_scale_subresource(shared: Cluster, operator: Operator, namespace: str) -> None:
    shared.apply(model(namespace))
    shared.make_ready(namespace)
    shared.kubectl("scale", "mdep/digits", "-n", namespace, "--replicas=2")
    shared.make_ready(namespace)
    scale = shared.get(f"{MODELS.format(namespace)}/digits/scale")
    assert scale is not None
    assert scale["status"] == {
        "replicas": 2,
        "selector": "app.kubernetes.io/managed-by=modelyard,app.kubernetes.io/name=digits,modelyard.dev/model=digits",
    }
    assert shared.get(f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/digits") is not None


def test_what_is_changed_or_deleted_by_hand_comes_back(shared: Cluster, operator: Operator, namespace: str) -> None:
    shared.apply(model(namespace))
    shared.make_ready(namespace)
    path = f"/api/v1/namespaces/{namespace}/services/digits"
    shared.kubectl("patch", "service/digits", "-n", namespace, "--type=json", "-p", PORT_9999)
    eventually(lambda: (shared.get(path) or {})["spec"]["ports"][0]["port"] == 80)
    shared.kubectl("label", "service/digits", "-n", namespace, "modelyard.dev/model-")
    eventually(lambda: "modelyard.dev/model" in (shared.get(path) or {})["metadata"]["labels"])
    shared.kubectl("delete", "service,deployment", "--all", "-n", namespace)
    eventually(lambda: shared.get(path) is not None and len(shared.deployments(namespace)) == 1)
    shared.make_ready(namespace)


PORT_9999 = '[{"op": "replace", "path": "/spec/ports/0/port", "value": 9999}]'


def test_an_update_goes_over_without_a_gap_and_going_back_uses_the_record(
    shared: Cluster, operator: Operator, namespace: str
) -> None:
    shared.apply(model(namespace))
    shared.make_ready(namespace)
    first = shared.model(namespace)["status"]["revision"]
    shared.apply(model(namespace, model={"uri": "s3://models/digits/2"}))
    shared.reason(namespace, "RollingOut")
    names = {one["metadata"]["labels"]["modelyard.dev/revision"]: one for one in shared.deployments(namespace)}
    assert names[first]["spec"]["replicas"] == 1
    assert len(names) == 2
    shared.make_ready(namespace)
    eventually(lambda: len(shared.deployments(namespace)) == 1)
    shared.apply(model(namespace))
    shared.make_ready(namespace)
    assert shared.model(namespace)["status"]["revision"] == first
    eventually(lambda: sorted(one["revision"] for one in revisions(shared, namespace)) == [2, 3])


def test_a_restart_writes_nothing(
    shared: Cluster, operator: Operator, account: Path, namespace: str, tmp_path: Path
) -> None:
    shared.apply(model(namespace, replicas=2), model(namespace, "other"))
    shared.make_ready(namespace)
    shared.make_ready(namespace, "other")
    assert operator.end() == 0
    again = Operator(account, tmp_path / "again.log", MODELYARD_LEASE_DURATION="4")
    assert_writes_nothing(again, 2)
    assert again.end() == 0


def test_an_upgrade_of_the_operator_restarts_no_model(
    shared: Cluster, operator: Operator, account: Path, namespace: str, tmp_path: Path
) -> None:
    shared.apply(model(namespace, replicas=2), model(namespace, "other", gpu={"count": 1}))
    shared.make_ready(namespace)
    shared.make_ready(namespace, "other")
    before = shared.deployments(namespace)
    assert operator.end() == 0
    # What an upgrade changes for every model: the image that fetches, and the defaults that the chart gives.
    upgraded = {
        "MODELYARD_FETCH_IMAGE": "registry.example/modelyard/model-server:2",
        "MODELYARD_OBJECT_STORE_REGION": "x",
    }
    again = Operator(account, tmp_path / "again.log", MODELYARD_LEASE_DURATION="4", **upgraded)
    assert_writes_nothing(again, 2)
    assert shared.deployments(namespace) == before
    assert again.end() == 0


def test_a_service_of_somebody_else_is_left_alone(shared: Cluster, operator: Operator, namespace: str) -> None:
    shared.kubectl("create", "service", "clusterip", "digits", "--tcp=80", "-n", namespace)
    shared.apply(model(namespace))
    found = shared.reason(namespace, "NameTaken")
    assert "Service digits exists and is not controlled by this ModelDeployment" in found["message"]
    service = shared.get(f"/api/v1/namespaces/{namespace}/services/digits")
    assert service is not None
    assert "ownerReferences" not in service["metadata"]
    shared.kubectl("delete", "service/digits", "-n", namespace)
    shared.kubectl("annotate", "mdep/digits", "-n", namespace, "nudge=1")
    shared.make_ready(namespace)


def test_a_runtime_that_comes_later_helps(shared: Cluster, operator: Operator, namespace: str) -> None:
    shared.apply(model(namespace, runtime="late"))
    found = shared.reason(namespace, "RuntimeNotFound")
    assert "known: modelyard-server" in found["message"]
    assert shared.deployments(namespace) == []
    runtime = {
        "apiVersion": "modelyard.dev/v1alpha1",
        "kind": "ModelRuntime",
        "metadata": {"name": "late"},
        "spec": {"image": "x", "formats": [{"name": "package", "priority": 0}]},
    }
    shared.apply(runtime)
    try:
        shared.make_ready(namespace)
    finally:
        shared.kubectl("delete", "mrt/late")


def test_a_quota_without_room_is_told_in_the_server_s_words(
    shared: Cluster, operator: Operator, namespace: str
) -> None:
    shared.kubectl("create", "quota", "gpus", "-n", namespace, "--hard=requests.nvidia.com/gpu=0")
    eventually(
        lambda: "hard" in (shared.get(f"/api/v1/namespaces/{namespace}/resourcequotas/gpus") or {}).get("status", {})
    )
    shared.apply(model(namespace, gpu={"count": 1}))
    found = shared.reason(namespace, "QuotaExceeded")
    assert "exceeded quota: gpus" in found["message"]
    assert "have the quota raised" in found["message"]
    shared.kubectl("delete", "quota/gpus", "-n", namespace)


def test_a_pod_template_that_breaks_the_rules_is_told(shared: Cluster, operator: Operator, namespace: str) -> None:
    shared.apply(model(namespace, podTemplate={"spec": {"hostNetwork": True}}))
    assert "violates PodSecurity" in shared.reason(namespace, "PodSecurityViolation")["message"]
    shared.apply(model(namespace, podTemplate={"spec": {"containers": [{"name": "Not A Name", "image": "x"}]}}))
    assert "Invalid value" in shared.reason(namespace, "ApplyRejected")["message"]
    twice = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    shared.apply(model(namespace, podTemplate={"spec": {"containers": [{"name": "server", "env": twice}]}}))
    # The API server reports this one as a fault of its own, with status 500.
    assert "failed to create typed patch object" in shared.reason(namespace, "ApplyRejected")["message"]
    shared.apply(model(namespace))
    shared.make_ready(namespace)


def test_no_progress_for_too_long_is_told(shared: Cluster, operator: Operator, namespace: str) -> None:
    shared.apply(model(namespace, server={"loadTimeout": "1s"}, rollout={"progressDeadline": "2s"}))
    found = shared.reason(namespace, "ProgressDeadlineExceeded")
    assert "0 of 1 replicas" in found["message"]
    shared.reason(namespace, "ProgressDeadlineExceeded", kind="Progressing")
    shared.make_ready(namespace)


def test_pausing_and_going_on(shared: Cluster, operator: Operator, namespace: str) -> None:
    shared.apply(model(namespace, replicas=0))
    shared.reason(namespace, "Paused")
    assert shared.deployments(namespace)[0]["spec"]["replicas"] == 0
    shared.apply(model(namespace, replicas=1))
    shared.make_ready(namespace)


def test_deleting_leaves_nothing(shared: Cluster, operator: Operator, namespace: str) -> None:
    shared.apply(model(namespace, replicas=2))
    shared.make_ready(namespace)
    shared.kubectl("delete", "mdep/digits", "-n", namespace)
    kinds = "deployments,services,poddisruptionbudgets,controllerrevisions,networkpolicies,pods"
    eventually(lambda: shared.kubectl("get", kinds, "-n", namespace, "-o", "name").stdout == "")
    assert operator.metric("modelyard_model_condition", namespace=namespace) == 0


def test_a_model_that_is_deleted_and_applied_again_is_not_ready_by_its_old_pods(
    shared: Cluster, operator: Operator, namespace: str
) -> None:
    shared.apply(model(namespace))
    shared.make_ready(namespace)
    shared.kubectl("delete", "mdep/digits", "-n", namespace)
    shared.apply(model(namespace))
    assert eventually(lambda: shared.condition(namespace))["status"] == "False"
    shared.make_ready(namespace)


def test_many_namespaces_are_watched_by_one_operator(
    shared: Cluster, nobody: None, account: Path, namespace: str, tmp_path: Path
) -> None:
    names = [f"{namespace[:40]}-{number}" for number in range(20)]
    shared.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names))
    found = Operator(account, tmp_path / "many.log", MODELYARD_NAMESPACES=",".join(names), MODELYARD_LEASE_DURATION="4")
    found.quiet()
    shared.apply(model(names[-1]))
    shared.make_ready(names[-1])
    shared.kubectl("delete", "namespace", *names, "--wait=false")
    assert found.end() == 0


def test_the_policy_of_a_namespace_goes_even_if_nobody_watched_the_last_model_go(
    shared: Cluster, operator: Operator, account: Path, namespace: str, tmp_path: Path
) -> None:
    shared.apply(model(namespace))
    shared.make_ready(namespace)
    operator.end()
    shared.kubectl("delete", "mdep/digits", "-n", namespace)
    again = Operator(account, tmp_path / "again.log", MODELYARD_LEASE_DURATION="4")
    again.quiet()
    path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/modelyard-models"
    eventually(lambda: shared.get(path) is None)
    assert again.end() == 0


def test_a_standby_takes_over_when_the_leader_dies(
    shared: Cluster, operator: Operator, account: Path, namespace: str, tmp_path: Path
) -> None:
    standby = Operator(account, tmp_path / "standby.log", MODELYARD_LEASE_DURATION="4")
    eventually(lambda: standby.path("/readyz") == "ok\n")
    assert standby.metric("modelyard_leader") == 0
    operator.end(9)
    shared.apply(model(namespace))
    standby.quiet()
    shared.make_ready(namespace)
    assert standby.end() == 0


def test_a_leader_that_is_told_to_stop_hands_over_at_once(
    shared: Cluster, operator: Operator, account: Path, tmp_path: Path
) -> None:
    assert operator.end() == 0
    lease = shared.get("/apis/coordination.k8s.io/v1/namespaces/modelyard-system/leases/modelyard-operator")
    assert lease is not None
    assert not lease["spec"].get("holderIdentity")
