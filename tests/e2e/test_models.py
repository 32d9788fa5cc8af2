"""Models on a real node: each way to fail, with what helps."""

from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton
import yaml
from tritonclient.utils import InferenceServerException

from e2e.node import Node, Store, eventually
from modelyard_demo.scenes import DEMO

pytestmark = pytest.mark.e2e

SMALL = "s3://models/breast-cancer/1"


def test_a_product_that_no_node_has_is_told(node: Node) -> None:
    node.apply(node.model("small", SMALL, gpu={"count": 1, "product": ["B300"]}))
    message = node.reason("small", "InsufficientGPU")
    assert "1 node: 1 lacks product B300" in message


def test_a_model_answers_over_grpc_at_port_9000_of_its_service_to_whom_has_its_key(node: Node) -> None:
    node.apply(node.model("small", SMALL))
    node.ready("small")
    rows = triton.InferInput("measurements", [2, 30], "FP32")
    rows.set_data_from_numpy(np.ones((2, 30), np.float32))
    with node.target.kube.forward(node.namespace, "service/small", 9000) as port:
        client = triton.InferenceServerClient(f"127.0.0.1:{port}")
        try:
            with pytest.raises(InferenceServerException, match="UNAUTHENTICATED"):
                client.infer("small", [rows])
            shown = {"authorization": f"Bearer {node.upstream_key()}"}
            assert client.infer("small", [rows], headers=shown).get_response().outputs[0].shape[0] == 2
        finally:
            client.close()


def test_a_wrong_digest_never_serves(node: Node) -> None:
    node.apply(node.model("small", SMALL, model={"digest": "sha256:" + "0" * 64}))
    message = node.reason("small", "DigestMismatch")
    assert "sha256:000" in message
    assert node.reason("small", "DigestMismatch", kind="ModelVerified")
    assert node.get("mdep", "small")["status"]["readyReplicas"] == 0


def test_a_typo_in_the_address_is_told_and_the_old_revision_serves(node: Node) -> None:
    node.apply(node.model("small", SMALL))
    node.ready("small")
    node.apply(node.model("small", "s3://models/breast-cancr/1"))
    message = node.reason("small", "ModelNotFound")
    assert "s3://models/breast-cancr/1" in message
    assert message.endswith("the previous revision goes on serving")
    old = [one for one in node.get("mdep", "small")["status"]["revisions"] if one["ready"] == 1]
    assert len(old) == 1
    node.apply(node.model("small", SMALL))
    node.ready("small")


def test_wrong_credentials_are_told(node: Node) -> None:
    wrong = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing-of-the-kind"}
    node.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "wrong"}, "stringData": wrong})
    node.apply(node.model("small", SMALL, model={"credentials": "wrong"}))
    message = node.reason("small", "CredentialsRejected")
    assert "nothing-of-the-kind" not in message
    assert "AWS_ACCESS_KEY_ID" in message


def test_credentials_that_come_later_are_enough(node: Node) -> None:
    node.apply(node.model("small", SMALL, model={"credentials": "later"}))
    node.reason("small", "CredentialsRejected")
    data = node.kube.get("secret", "modelyard-object-store", "-n", DEMO)["data"]
    node.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "later"}, "data": data})
    node.ready("small", 240)


def test_a_package_in_a_claim(node: Node, packages: Store, tmp_path: Path) -> None:
    folder = packages.fetch("breast-cancer/1", tmp_path / "models" / "small")
    for path in (tmp_path.parent, tmp_path, folder.parent, folder):
        path.chmod(0o755)
    name = f"models-{node.namespace}"[:60].strip("-")
    size = {"storage": "1Gi"}
    modes = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {**modes, "capacity": size, "hostPath": {"path": str(tmp_path / "models"), "type": "Directory"}},
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "models"},
        "spec": {**modes, "volumeName": name, "resources": {"requests": size}},
    }
    node.kube.run("apply", "-f", "-", given=yaml.safe_dump(volume))
    try:
        node.apply(claim, node.model("small", "pvc://models/small"))
        assert node.ready("small")["model"]["version"] == "1"
    finally:
        node.kube.run("delete", "pv", name, "--wait=false")


def test_an_image_that_does_not_exist_is_told(node: Node) -> None:
    runtime = {
        "apiVersion": "modelyard.dev/v1alpha1",
        "kind": "ModelRuntime",
        "metadata": {"name": "nowhere"},
        "spec": {"image": "127.0.0.1:5000/modelyard/nowhere:1", "formats": [{"name": "package", "priority": 0}]},
    }
    node.apply(runtime)
    node.apply(node.model("small", SMALL, runtime="nowhere"))
    try:
        assert "127.0.0.1:5000/modelyard/nowhere:1" in node.reason("small", "ImagePullFailed")
        # The revision never was Ready, so a corrected runtime helps without an edit of the model.
        good = node.kube.get("mrt", "modelyard-server")["spec"] | {"formats": [{"name": "nowhere", "priority": 0}]}
        node.apply(runtime | {"spec": good})
        node.ready("small")
    finally:
        node.kube.run("delete", "mrt/nowhere")


def test_a_model_that_does_not_load_is_told_in_the_server_s_words(node: Node) -> None:
    node.apply(node.model("broken", "s3://models/broken/1"))
    message = node.reason("broken", "LoadFailed")
    assert "out.weight" in message
    assert "publish a corrected package" in message


def test_a_server_without_enough_memory_is_told(node: Node) -> None:
    node.apply(node.model("small", SMALL, resources={"limits": {"memory": "40Mi"}}))
    assert "for using more memory than its limit" in node.reason("small", "OutOfMemory")
    node.apply(node.model("small", SMALL))
    node.ready("small")


def test_deleting_leaves_nothing(node: Node) -> None:
    node.apply(node.model("small", SMALL, replicas=2))
    node.ready("small")
    node.kube.run("delete", "mdep/small", "-n", node.namespace)
    kinds = "deployments,services,poddisruptionbudgets,controllerrevisions,networkpolicies,pods"
    eventually(lambda: node.items(kinds) == [])
