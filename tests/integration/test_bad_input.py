"""What users and clusters get wrong: each has a message, and nothing is lost."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.running import COLLECTED, MODELS, Cluster, Operator, eventually, model

pytestmark = pytest.mark.integration
CHILDREN = "deployments,services,poddisruptionbudgets,controllerrevisions,networkpolicies,pods"


def events(shared: Cluster, namespace: str) -> list[tuple[str, str, int]]:
    found = shared.items(f"/api/v1/namespaces/{namespace}/events")
    ours = [one for one in found if one["involvedObject"]["kind"] == "ModelDeployment"]
    return [(one["type"], one["reason"], one["count"]) for one in sorted(ours, key=lambda one: one["firstTimestamp"])]


def padded(kilobytes: int) -> dict[str, Any]:
    env = [{"name": f"PAD_{number}", "value": "x" * 1000} for number in range(kilobytes)]
    return {"spec": {"containers": [{"name": "server", "env": env}]}}


def test_a_spec_that_is_too_large_for_its_children_is_told(shared: Cluster, operator: Operator, namespace: str) -> None:
    path = f"{MODELS.format(namespace)}/digits"
    shared.plane.client().apply(path, model(namespace, podTemplate=padded(1490)))
    found = shared.reason(namespace, "ApplyRejected")
    assert "too large" in found["message"] or "Too long" in found["message"], found
    assert len(found["message"]) < 1024
    shared.plane.client().apply(path, model(namespace))
    shared.make_ready(namespace)


def test_text_in_any_script_arrives_as_it_is(shared: Cluster, fresh: Operator, namespace: str) -> None:
    text = '模型 · модель · 🌍 \\ " $(PORT) %s'
    uri = "s3://models/数字/1"
    shared.apply(model(namespace, model={"uri": uri}, server={"env": [{"name": "GREETING", "value": text}]}))
    shared.make_ready(namespace)
    pod = shared.deployments(namespace)[0]["spec"]["template"]["spec"]
    assert {"name": "GREETING", "value": text} in pod["containers"][0]["env"]
    assert uri in pod["initContainers"][0]["args"]
    assert fresh.metric("modelyard_api_writes_total", reason="drift") == 0


def test_the_longest_name_works_and_a_longer_one_is_refused(
    shared: Cluster, operator: Operator, namespace: str
) -> None:
    longest = "a" * 50
    shared.apply(model(namespace, longest, replicas=2))
    shared.make_ready(namespace, longest)
    for name in ("a" * 51, "a" * 63):
        assert "at most 50 characters" in shared.refusal(model(namespace, name))


def test_a_model_that_is_deleted_at_once_leaves_nothing(shared: Cluster, operator: Operator, namespace: str) -> None:
    names = [f"m{number}" for number in range(20)]
    shared.apply(*(model(namespace, name, replicas=2) for name in names))
    shared.kubectl("delete", "modeldeployments", "--all", "-n", namespace)

    def check() -> bool:
        left = shared.kubectl("get", CHILDREN, "-n", namespace, "-o", "name").stdout
        assert left == ""
        return True

    eventually(check, COLLECTED)
    operator.quiet()
    assert operator.metric("modelyard_model_replicas", namespace=namespace) == 0


def test_a_namespace_that_is_being_deleted_takes_its_models_along(
    shared: Cluster, operator: Operator, namespace: str
) -> None:
    shared.apply(model(namespace), model(namespace, "other"))
    shared.make_ready(namespace)
    shared.kubectl("delete", "namespace", namespace)
    eventually(lambda: shared.get(f"/api/v1/namespaces/{namespace}") is None)
    operator.quiet()


def test_a_runtime_that_is_removed_stops_nothing_that_serves(
    shared: Cluster, operator: Operator, namespace: str
) -> None:
    runtime = {
        "apiVersion": "modelyard.dev/v1alpha1",
        "kind": "ModelRuntime",
        "metadata": {"name": "short-lived"},
        "spec": {"image": "x", "formats": [{"name": "package"}]},
    }
    shared.apply(runtime)
    shared.apply(model(namespace, runtime="short-lived"))
    shared.make_ready(namespace)
    before = shared.deployments(namespace)
    shared.kubectl("delete", "mrt/short-lived")
    shared.kubectl("annotate", "mdep/digits", "-n", namespace, "nudge=1")
    shared.kubectl("scale", "mdep/digits", "-n", namespace, "--replicas=2")
    shared.make_ready(namespace)
    after = shared.deployments(namespace)
    assert [one["metadata"]["uid"] for one in after] == [one["metadata"]["uid"] for one in before]
    shared.apply(model(namespace, runtime="short-lived", model={"uri": "s3://models/digits/2"}))
    assert "short-lived" in shared.reason(namespace, "RuntimeNotFound")["message"]
    assert [one["spec"]["replicas"] for one in shared.deployments(namespace)] == [2]


def test_what_goes_wrong_and_right_again_is_told_as_events(shared: Cluster, operator: Operator, namespace: str) -> None:
    shared.apply(model(namespace, runtime="later"))
    shared.apply(model(namespace, "fine"))
    shared.reason(namespace, "RuntimeNotFound")
    # Steps on the way are no events, and being ready for the first time needs none.
    shared.make_ready(namespace, "fine")
    eventually(lambda: events(shared, namespace) == [("Warning", "RuntimeNotFound", 1)])
    shared.apply(model(namespace))
    shared.make_ready(namespace)
    eventually(lambda: events(shared, namespace)[1:] == [("Normal", "Ready", 1)])
    shared.apply(model(namespace, model={"uri": "s3://models/digits/2"}))
    shared.make_ready(namespace)
    eventually(lambda: events(shared, namespace)[2:] == [("Normal", "Ready", 1)])
    told = shared.kubectl("describe", "mdep/digits", "-n", namespace).stdout
    assert "RuntimeNotFound" in told


def is_another(shared: Cluster, path: str, uid: str) -> bool:
    found = shared.get(path)
    return found is not None and found["metadata"]["uid"] != uid


def test_what_the_operator_made_comes_back_when_it_is_deleted(
    shared: Cluster, operator: Operator, namespace: str
) -> None:
    shared.apply(model(namespace, replicas=2))
    shared.make_ready(namespace)
    for kind, path in (
        ("poddisruptionbudget/digits", f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/digits"),
        (
            "networkpolicy/modelyard-models",
            f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/modelyard-models",
        ),
        ("service/digits", f"/api/v1/namespaces/{namespace}/services/digits"),
    ):
        before = (shared.get(path) or {})["metadata"]["uid"]
        shared.kubectl("delete", kind, "-n", namespace)
        eventually(partial(is_another, shared, path, before))


def test_the_status_speaks_of_the_model_s_own_generation(shared: Cluster, operator: Operator, namespace: str) -> None:
    shared.apply(model(namespace))
    shared.make_ready(namespace)
    for replicas in (2, 3, 1):
        shared.kubectl("scale", "mdep/digits", "-n", namespace, f"--replicas={replicas}")
        shared.make_ready(namespace)
        found = shared.model(namespace)
        assert found["status"]["observedGeneration"] == found["metadata"]["generation"]


def test_an_exec_plugin_logs_the_operator_in(
    shared: Cluster, nobody: None, account: Path, namespace: str, tmp_path: Path
) -> None:
    config = yaml.safe_load(account.read_text())
    user = config["users"][0]["user"]
    (tmp_path / "token").write_text(user["token"])
    plugin = tmp_path / "plugin"
    plugin.write_text('#!/bin/sh\necho "{\\"status\\": {\\"token\\": \\"$(cat "$(dirname "$0")/token")\\"}}"\n')
    plugin.chmod(0o755)
    config["users"][0]["user"] = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin"}}
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    found = Operator(path, tmp_path / "plugin.log", MODELYARD_LEASE_DURATION="4", PATH=os.environ["PATH"])
    found.quiet()
    shared.apply(model(namespace))
    shared.make_ready(namespace)
    assert found.end() == 0
