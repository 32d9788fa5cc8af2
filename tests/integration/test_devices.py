"""Claims for devices (DRA) on a real API server: what it accepts, what pods get, and what is cleaned up after them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.running import COLLECTED, Cluster, Object, Operator, assert_writes_nothing, eventually, model

pytestmark = pytest.mark.integration

CLASSES = ("gpu.nvidia.com", "mig.nvidia.com")
BIG = {"product": ["H100", "H200"], "memory": "70Gi"}
SLICE = {"mig": "3g.40gb"}


@pytest.fixture
def classes(shared: Cluster) -> Iterator[None]:
    """The DeviceClasses that NVIDIA's driver brings."""
    for name in CLASSES:
        spec = {"selectors": [{"cel": {"expression": "device.driver == 'gpu.nvidia.com'"}}]}
        body = {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": name}, "spec": spec}
        shared.apply(body)
    yield
    shared.kubectl("delete", "deviceclass", *CLASSES)


def templates(shared: Cluster, namespace: str) -> list[str]:
    found = shared.items(f"/apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaimtemplates")
    return [one["metadata"]["name"] for one in found]


def claims(shared: Cluster, namespace: str) -> list[Object]:
    return shared.items(f"/apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaims")


def allocate(shared: Cluster, namespace: str) -> None:
    """Play the scheduler: give each claim the first device."""
    for claim in eventually(lambda: claims(shared, namespace)):
        result = {"request": "gpu/option-1", "driver": "gpu.nvidia.com", "pool": "node0", "device": "gpu-0"}
        body: dict[str, Any] = {"status": {"allocation": {"devices": {"results": [result]}}}}
        name = claim["metadata"]["name"]
        path = f"/apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaims/{name}/status"
        shared.plane.client().merge(path, body)


def test_alternatives_become_a_template_whose_devices_are_told(
    shared: Cluster, operator: Operator, classes: None, namespace: str
) -> None:
    shared.apply(model(namespace, gpu={"alternatives": [BIG, SLICE]}))
    made = eventually(lambda: templates(shared, namespace))
    allocate(shared, namespace)
    shared.make_ready(namespace)

    def told() -> Object:
        gpu: Object = shared.model(namespace)["status"]["gpu"]
        assert "allocated" in gpu, gpu
        return gpu

    gpu = eventually(told)
    pod = shared.items(f"/api/v1/namespaces/{namespace}/pods")[0]["metadata"]["name"]
    assert gpu == {
        "mechanism": "DRA",
        "reason": "Only a claim can say what is asked for.",
        "count": 1,
        "request": "1 gpu.nvidia.com or mig.nvidia.com",
        "deviceClass": "gpu.nvidia.com, mig.nvidia.com",
        "claimTemplate": made[0],
        "allocated": [{"pod": pod, "driver": "gpu.nvidia.com", "pool": "node0", "device": "gpu-0"}],
    }


def test_another_request_is_another_template_and_the_first_goes_with_its_pods(
    shared: Cluster, operator: Operator, classes: None, namespace: str
) -> None:
    shared.apply(model(namespace, gpu={"alternatives": [BIG, SLICE]}))
    first = eventually(lambda: templates(shared, namespace))[0]
    shared.make_ready(namespace)
    shared.apply(model(namespace, gpu={"alternatives": [SLICE, BIG]}))
    both = eventually(lambda: found if len(found := templates(shared, namespace)) == 2 else [])
    assert first in both
    shared.make_ready(namespace)
    eventually(lambda: first not in templates(shared, namespace))
    assert shared.model(namespace)["status"]["gpu"]["claimTemplate"] in templates(shared, namespace)
    shared.kubectl("delete", "mdep/digits", "-n", namespace)
    eventually(lambda: templates(shared, namespace) == [], COLLECTED)


def test_a_class_that_comes_later_is_enough(shared: Cluster, operator: Operator, namespace: str) -> None:
    shared.apply(model(namespace, gpu={"deviceClassName": "late.example.org"}))
    message = shared.reason(namespace, "NoGPUMechanism", kind="ModelResolved")["message"]
    assert "there is no DeviceClass late.example.org" in message
    assert shared.deployments(namespace) == []
    body = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": "late.example.org"},
        "spec": {},
    }
    shared.apply(body)
    try:
        shared.make_ready(namespace)
    finally:
        shared.kubectl("delete", "deviceclass/late.example.org")


def test_a_restart_writes_nothing_for_a_model_with_a_claim(
    shared: Cluster, operator: Operator, account: Path, classes: None, namespace: str, tmp_path: Path
) -> None:
    shared.apply(model(namespace, gpu={"alternatives": [BIG, SLICE]}))
    shared.make_ready(namespace)
    assert operator.end() == 0
    again = Operator(account, tmp_path / "again.log", MODELYARD_LEASE_DURATION="4")
    assert_writes_nothing(again, 1)
    assert again.end() == 0
