"""Rollouts on a real node, under load and under fire."""

import pytest

from e2e.node import Node, eventually
from modelyard_demo.scenes import SYSTEM

pytestmark = pytest.mark.e2e

FIRST, SECOND = "s3://models/breast-cancer/1", "s3://models/breast-cancer/2"
LOAD_SECONDS = 45.0
GPU_POOL = 4


def test_an_update_loses_no_request(node: Node) -> None:
    node.apply(node.model("small", FIRST, replicas=2))
    node.ready("small")
    node.client("client", "http://small/v2/models/small/infer", LOAD_SECONDS)
    node.apply(node.model("small", SECOND, replicas=2))
    node.ready("small", 300)
    answers = node.answers("client", LOAD_SECONDS * 3)
    assert set(answers) == {"200 version 1", "200 version 2"}, answers
    assert min(answers.values()) > 0


def test_a_full_pool_of_gpus_loses_no_request_while_a_new_revision_takes_over(node: Node) -> None:
    half = {"replicas": 2, "gpu": {"count": GPU_POOL // 2}}
    node.apply(node.model("small", FIRST, **half))
    node.ready("small")
    node.client("client", "http://small/v2/models/small/infer", LOAD_SECONDS * 2)
    node.apply(node.model("small", SECOND, **half))
    node.ready("small", 300)
    answers = node.answers("client", LOAD_SECONDS * 6)
    assert set(answers) == {"200 version 1", "200 version 2"}, answers
    assert min(answers.values()) > 0


def test_an_operator_that_is_killed_in_the_middle_of_a_rollout_changes_nothing(node: Node) -> None:
    node.apply(node.model("small", FIRST, replicas=2))
    before = node.ready("small")["revision"]
    node.apply(node.model("small", SECOND, replicas=2))
    eventually(lambda: len(node.get("deployments")["items"]) == 2)
    selector = "app.kubernetes.io/name=modelyard"
    node.kube.run("delete", "pods", "-n", SYSTEM, "-l", selector, "--grace-period=0", "--force")
    after = node.ready("small", 300)
    assert after["revision"] != before
    eventually(lambda: len(node.get("deployments")["items"]) == 1)
    node.kube.run("rollout", "status", "deployment/modelyard-operator", "-n", SYSTEM, "--timeout=120s")


def test_models_serve_while_the_operator_is_away(node: Node) -> None:
    node.apply(node.model("small", FIRST))
    node.ready("small")
    node.kube.run("scale", "deployment/modelyard-operator", "-n", SYSTEM, "--replicas=0")
    try:
        node.client("client", "http://small/v2/models/small/infer", 5.0)
        answers = node.answers("client", 60.0)
        assert set(answers) == {"200 version 1"}, answers
    finally:
        node.kube.run("scale", "deployment/modelyard-operator", "-n", SYSTEM, "--replicas=2")
        node.kube.run("rollout", "status", "deployment/modelyard-operator", "-n", SYSTEM, "--timeout=120s")
