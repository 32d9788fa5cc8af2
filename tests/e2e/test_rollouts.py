"""Rollouts on a real node, under load and under fire."""

import pytest

from e2e.node import Node, eventually
from modelyard_demo.scenes import SYSTEM

pytestmark = pytest.mark.e2e

FIRST, SECOND = "s3://models/breast-cancer/1", "s3://models/breast-cancer/2"
BOTH = {"200 version 1", "200 version 2"}
OPERATOR = ("-n", SYSTEM, "-l", "app.kubernetes.io/component=operator")


def test_an_update_loses_no_request(node: Node) -> None:
    node.apply(node.model("small", FIRST, replicas=2))
    node.ready("small")
    node.client("client", "small")
    node.apply(node.model("small", SECOND, replicas=2))
    node.ready("small", 300)
    eventually(lambda: node.only_revision("small"))
    assert set(node.answers("client")) == BOTH


def test_a_paused_rollout_waits(node: Node) -> None:
    node.apply(node.model("small", FIRST))
    node.ready("small")
    node.apply(node.model("small", SECOND, rollout={"paused": True}))
    assert "rollout.paused is set" in node.reason("small", "RolloutPaused")
    assert len(node.model_pods()) == 1
    node.apply(node.model("small", SECOND))
    assert node.ready("small", 300)["model"]["version"] == "2"


def test_an_operator_that_is_killed_in_the_middle_of_a_rollout_changes_nothing(node: Node) -> None:
    node.apply(node.model("small", FIRST, replicas=2))
    before = node.ready("small")["revision"]
    node.apply(node.model("small", SECOND, replicas=2))
    eventually(lambda: len(node.get("deployments")["items"]) == 2)
    node.kube.run("delete", "pods", *OPERATOR, "--grace-period=0", "--force")
    after = node.ready("small", 300)
    assert after["revision"] != before
    eventually(lambda: len(node.get("deployments")["items"]) == 1)
    node.kube.run("rollout", "status", "deployment/modelyard-operator", "-n", SYSTEM, "--timeout=120s")


def test_models_serve_while_the_operator_is_away(node: Node) -> None:
    node.apply(node.model("small", FIRST))
    node.ready("small")
    node.client("client", "small")
    node.kube.run("scale", "deployment/modelyard-operator", "-n", SYSTEM, "--replicas=0")
    try:
        eventually(lambda: node.kube.get("pods", *OPERATOR)["items"] == [])
        node.client("late", "small")
        assert set(node.answers("late")) == {"200 version 1"}
        assert set(node.answers("client")) == {"200 version 1"}
    finally:
        node.kube.run("scale", "deployment/modelyard-operator", "-n", SYSTEM, "--replicas=2")
        node.kube.run("rollout", "status", "deployment/modelyard-operator", "-n", SYSTEM, "--timeout=120s")
