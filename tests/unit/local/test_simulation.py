"""Simulated nodes: their objects, when they take pods, and the programs behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from modelyard_local.audit import LOG_NAME, POLICY_NAME
from modelyard_local.components import (
    ControlPlaneSettings,
    Rate,
    apiserver_arguments,
    controller_manager_arguments,
    kwok_arguments,
    scheduler_arguments,
)
from modelyard_local.paths import Paths
from modelyard_local.simulation import Nodes, takes_pods

ROOT = Path("/state")
STAGES = Paths(ROOT, ROOT).tool_sources / "kwok" / "stages.yaml"


def settings(audit: Path | None = None) -> ControlPlaneSettings:
    return ControlPlaneSettings(ROOT / "pki", ROOT / "etcd", "127.0.0.1", 1, 2, 3, 4, audit=audit)


def node(ready: str = "True", *taints: str) -> dict[str, Any]:
    return {
        "status": {"conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}]},
        "spec": {"taints": [{"key": key} for key in taints]},
    }


def test_a_pool_of_gpu_nodes_has_names_labels_and_gpus() -> None:
    first, second = Nodes("gpu", 2, gpus=4, labels={"nvidia.com/gpu.product": "H100"}).objects()
    assert second["metadata"]["name"] == "gpu-1"
    assert first["metadata"]["labels"] == {"kubernetes.io/hostname": "gpu-0", "nvidia.com/gpu.product": "H100"}
    assert first["status"]["allocatable"]["nvidia.com/gpu"] == "4"


def test_a_node_without_gpus_does_not_speak_of_them() -> None:
    [only] = Nodes("cpu", 1).objects()
    assert set(only["status"]["capacity"]) == {"cpu", "memory", "pods"}


@pytest.mark.parametrize(
    ("found", "takes"),
    [
        (node(), True),
        (node("Unknown"), False),
        (node("True", "node.kubernetes.io/not-ready"), False),
        (node("True", "nvidia.com/gpu"), True),
        ({"status": {}, "spec": {}}, False),
    ],
)
def test_a_node_takes_pods_once_it_is_ready_and_has_lost_its_first_taint(found: dict[str, Any], takes: bool) -> None:
    assert takes_pods(found) is takes


def test_kwok_listens_on_loopback_only() -> None:
    arguments = kwok_arguments(ROOT / "config", STAGES, 7)
    assert "--server-address=127.0.0.1:7" in arguments
    assert "--node-ip=127.0.0.1" in arguments


@pytest.mark.parametrize(
    "arguments",
    [
        controller_manager_arguments(settings(), ROOT / "config", Rate(7, 9)),
        scheduler_arguments(ROOT / "config", 1, Rate(7, 9)),
    ],
    ids=["controller manager", "scheduler"],
)
def test_a_rate_is_given_on(arguments: list[str]) -> None:
    assert {"--kube-api-qps=7", "--kube-api-burst=9"} <= set(arguments)


def test_without_a_rate_kubernetes_keeps_its_own() -> None:
    assert not any("qps" in one for one in controller_manager_arguments(settings(), ROOT / "config"))
    assert not any("qps" in one for one in scheduler_arguments(ROOT / "config", 1))


def test_an_audited_api_server_has_a_policy_and_a_log() -> None:
    arguments = apiserver_arguments(settings(audit=ROOT))
    assert f"--audit-policy-file=/state/{POLICY_NAME}" in arguments
    assert f"--audit-log-path=/state/{LOG_NAME}" in arguments
    assert not any("audit" in one for one in apiserver_arguments(settings()))


def test_every_stage_is_about_nodes_or_pods_and_leaves_pods_that_are_deleted_to_one_stage() -> None:
    stages = list(yaml.safe_load_all(STAGES.read_text()))
    about = {one["metadata"]["name"]: one["spec"] for one in stages}
    assert {spec["resourceRef"]["kind"] for spec in about.values()} == {"Node", "Pod"}
    for name, spec in about.items():
        keys = {one["key"]: one["operator"] for one in spec["selector"]["matchExpressions"]}
        if spec["resourceRef"]["kind"] == "Pod":
            assert keys[".metadata.deletionTimestamp"] == ("Exists" if name == "pod-is-deleted" else "DoesNotExist")


def test_a_pod_is_either_ready_or_fails() -> None:
    stages = {one["metadata"]["name"]: one["spec"] for one in yaml.safe_load_all(STAGES.read_text())}
    operators = {}
    for name in ("pod-becomes-ready", "pod-fails"):
        expressions = stages[name]["selector"]["matchExpressions"]
        operators[name] = [one["operator"] for one in expressions if "sim.modelyard.dev/fail" in one["key"]]
    assert operators == {"pod-becomes-ready": ["DoesNotExist"], "pod-fails": ["In"]}
