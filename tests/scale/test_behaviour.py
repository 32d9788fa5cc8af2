"""What needs a scheduler or many models: GPUs that are short, whose generation is observed, and others' deletions."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from integration.running import MODELS, Cluster, Object, eventually, model
from scale.running import CHILDREN, COUNT, GPUS, PATIENCE, PAUSE, Journal, Process, create, everywhere

pytestmark = pytest.mark.integration

# Enough to be deleting still when the new one comes; 300 of them for the full count.
DELETED = max(150, COUNT * 3 // 2)
# Models that one operator works on at the same time: no more of them may be served before the new one.
WORKERS = 32


def is_ready(shared: Cluster, namespace: str, name: str = "digits") -> bool:
    return bool(shared.condition(namespace, name)["status"] == "True")


def test_a_lack_of_gpus_is_named_with_numbers(shared: Cluster, operator: Process, namespace: str) -> None:
    shared.apply(model(namespace, gpu={"count": 2 * GPUS}))
    message = shared.reason(namespace, "InsufficientGPU")["message"]
    assert "0 of 1 replicas are ready, 1 waits for 8 nvidia.com/gpu" in message
    assert "5 nodes: 1 has fewer than 8 nvidia.com/gpu in all, 4 have no nvidia.com/gpu" in message


def test_the_generation_that_is_observed_is_the_model_s_own(shared: Cluster, operator: Process, namespace: str) -> None:
    shared.apply(model(namespace))
    eventually(lambda: is_ready(shared, namespace))
    for number in (2, 3):
        shared.apply(model(namespace, model={"uri": f"s3://models/digits/{number}"}))
    eventually(lambda: is_ready(shared, namespace))
    eventually(lambda: len(shared.deployments(namespace)) == 1)
    found, [child] = shared.model(namespace), shared.deployments(namespace)
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 3
    assert child["status"]["observedGeneration"] != 3


def test_an_update_on_a_full_pool_of_gpus_ends(shared: Cluster, operator: Process, namespace: str) -> None:
    two_by_two: Object = {"replicas": 2, "gpu": {"count": GPUS // 2}}
    shared.apply(model(namespace, **two_by_two))
    eventually(lambda: is_ready(shared, namespace))
    first = shared.model(namespace)["status"]["revision"]
    shared.apply(model(namespace, model={"uri": "s3://models/digits/2"}, **two_by_two))
    eventually(lambda: is_ready(shared, namespace))
    eventually(lambda: len(shared.deployments(namespace)) == 1)
    found = shared.model(namespace)["status"]
    assert found["revision"] != first
    assert found["ready"] == "2/2"


def test_a_new_model_does_not_wait_for_the_deletion_of_hundreds(
    shared: Cluster, operator: Process, namespace: str
) -> None:
    old = [f"old{number}" for number in range(DELETED)]
    models, client = MODELS.format(namespace), shared.plane.client()
    create(shared, namespace, old, replicas=0)
    deployments = CHILDREN["Deployment"].format(namespace)
    eventually(lambda: len(shared.items(deployments)) == DELETED, PATIENCE, PAUSE)
    operator.quiet()
    journal = Journal(shared)
    with ThreadPoolExecutor(1) as pool:
        deleting = pool.submit(everywhere, lambda name: client.request("DELETE", f"{models}/{name}"), old)
        eventually(lambda: len(shared.items(models)) < DELETED, PATIENCE)
        client.request("POST", models, model(namespace, "new"))
        eventually(lambda: shared.condition(namespace, "new"), PATIENCE)
        left = len(shared.items(deployments))
        deleting.result()
    assert left > 1, "the others were gone before: the test shows nothing"
    requests = journal.requests(operator)
    first = next(at for at, one in enumerate(requests) if one.name == "new" and one.subresource == "status")
    others = {one.name for one in requests[:first] if one.name.startswith("old")}
    assert len(others) <= WORKERS, f"{len(others)} other models came first"
