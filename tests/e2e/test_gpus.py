"""What needs GPUs: the demo, models that want more than there are, and the samples.

The node has few, so this file is for one process: tests take turns.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.node import Node, eventually
from modelyard_demo import scenes
from modelyard_demo.scenes import DEMO
from modelyard_demo.story import Story
from modelyard_demo.target import Target

pytestmark = pytest.mark.e2e

SMALL = "s3://models/breast-cancer/1"
GPU_POOL = 4
SAMPLES = Path(__file__).parents[2] / "manifests/samples"
# What each becomes where the demo's packages are published, with a part of what its message says.
OUTCOMES = {
    "digits": ("Ready", "1 of 1 replicas answer"),
    "digits-gpu": ("Ready", "1 of 1 replicas answer"),
    "digits-slice": ("InsufficientGPU", "1 has no nvidia.com/mig-3g.40gb at all"),
    "digits-alternatives": ("NoGPUMechanism", "there is no DeviceClass gpu.nvidia.com and no mig.nvidia.com"),
    "digits-borrow": ("Ready", "2 of 2 replicas answer"),
    "diabetes": ("Ready", "2 of 2 replicas answer"),
    "breast-cancer": ("Ready", "1 of 1 replicas answer"),
    "digits-paused": ("Paused", "spec.replicas is 0"),
    "digits-pinned": ("DigestMismatch", "sha256:0000000000"),
    "digits-from-claim": ("ModelNotFound", 'persistentvolumeclaim "models" not found'),
    "digits-from-https": ("FetchFailed", "https://models.example.com/digits/1.tar.gz"),
}


def test_digits_from_training_to_right_predictions(chosen: Target, gpus: None) -> None:
    story = Story()
    scenes.deploy(chosen, story)
    # The Jobs fail when accuracy or error over the whole held-out set are not good enough.
    scenes.predict(chosen, story)
    pods = chosen.kube.get("pods", "-n", DEMO, "-l", "modelyard.dev/model=digits")["items"]
    assert [pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] for pod in pods] == ["1"]
    status = chosen.kube.get("mdep", "digits", "-n", DEMO)["status"]
    assert status["model"]["verified"] is True
    assert status["model"]["digest"].startswith("sha256:")
    assert status["gpu"] == {
        "mechanism": "ExtendedResource",
        "reason": "An extended resource can say what is asked for.",
        "resourceName": "nvidia.com/gpu",
        "count": 1,
        "request": "1 nvidia.com/gpu",
    }


def test_more_replicas_than_gpus_are_told_in_numbers_and_recover(gpus: None, node: Node) -> None:
    node.apply(node.model("small", SMALL, replicas=GPU_POOL + 1, gpu={"count": 1}))
    eventually(lambda: node.get("mdep", "small").get("status", {}).get("readyReplicas") == GPU_POOL)
    message = node.reason("small", "InsufficientGPU")
    assert message.startswith(
        f"{GPU_POOL} of {GPU_POOL + 1} replicas are ready, 1 waits for 1 nvidia.com/gpu: "
        "1 node: 1 has no free nvidia.com/gpu"
    )
    assert node.get("mdep", "small")["status"]["summary"].startswith("Waiting for GPU: 4 of 5 replicas ready")
    node.kube.run("scale", "mdep/small", "-n", node.namespace, f"--replicas={GPU_POOL}")
    assert node.ready("small")["ready"] == f"{GPU_POOL}/{GPU_POOL}"


def rollout(node: Node) -> dict[str, Any]:
    """How a new revision is taking over, while it does."""
    found: dict[str, Any] = node.get("mdep", "small")["status"].get("rollout", {})
    return found


def test_a_full_pool_of_gpus_loses_no_request_while_a_new_revision_takes_over(gpus: None, node: Node) -> None:
    half = {"replicas": 2, "gpu": {"count": GPU_POOL // 2}}
    node.apply(node.model("small", SMALL, **half))
    before = node.ready("small")["revision"]
    node.client("client", "small")
    node.apply(node.model("small", "s3://models/breast-cancer/2", **half))
    told = eventually(lambda: found if (found := rollout(node)).get("strategy") == "Borrow" else {})
    assert told["message"] == "Borrow: the new replica waits for a node, so one old replica gives its GPU"
    assert told["served"] == 2
    after = node.ready("small", 300)
    assert after["revision"] != before
    assert after["model"]["version"] == "2"
    eventually(lambda: node.only_revision("small"))
    assert set(node.answers("client")) == {"200 version 1", "200 version 2"}


def test_every_sample_is_expected_here() -> None:
    documents = [yaml.safe_load(path.read_text()) for path in SAMPLES.glob("*.yaml")]
    models = {one["metadata"]["name"] for one in documents if one["kind"] == "ModelDeployment"}
    assert models == set(OUTCOMES)


def test_all_samples_together(gpus: None, node: Node) -> None:
    node.kube.run("apply", "-n", node.namespace, "-f", str(SAMPLES))
    try:
        for name, (reason, words) in OUTCOMES.items():
            assert words in node.reason(name, reason, seconds=300), name
    finally:
        node.kube.run("delete", "mrt/vllm", "accel/h100")
