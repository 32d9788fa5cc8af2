"""`kubectl apply -f manifests/samples/`: each becomes Ready, or says precisely why not."""

from pathlib import Path

import pytest
import yaml

from e2e.node import Node

pytestmark = pytest.mark.e2e

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


def test_every_sample_is_expected_here() -> None:
    documents = [yaml.safe_load(path.read_text()) for path in SAMPLES.iterdir()]
    models = {one["metadata"]["name"] for one in documents if one["kind"] == "ModelDeployment"}
    assert models == set(OUTCOMES)


def test_all_samples_together(node: Node) -> None:
    node.kube.run("apply", "-n", node.namespace, "-f", str(SAMPLES))
    try:
        for name, (reason, words) in OUTCOMES.items():
            assert words in node.reason(name, reason, seconds=300), name
    finally:
        node.kube.run("delete", "mrt/vllm", "accel/h100")
