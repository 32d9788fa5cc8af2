"""The real node: a cluster with a kubelet, our chart, an object store, and models made for each way to fail."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import obstore
import yaml
from obstore.store import S3Store
from safetensors.numpy import save_file

from modelyard_demo.kube import Kube
from modelyard_demo.scenes import AUDIENCE, DEMO, GATEWAY, SECRET, SYSTEM
from modelyard_demo.target import Target
from modelyard_operator.api.upstream import NAMESPACE_ENTRY, NAMESPACE_SECRET
from modelyard_server.package import files

T = TypeVar("T")
Object = dict[str, Any]
CALLER = "caller"
RBAC = "rbac.authorization.k8s.io"
CLIENT = Path(__file__).with_name("client.py")


def eventually(check: Callable[[], T], seconds: float = 120.0) -> T:
    """The first true answer of `check`; the last failure when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = check()
            assert answer, "never became true"
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
        else:
            return answer


@dataclass
class Node:
    """What a test does as a user, in its own namespace."""

    target: Target
    namespace: str

    @property
    def kube(self) -> Kube:
        """kubectl."""
        return self.target.kube

    def apply(self, *documents: Object) -> None:
        """Apply objects."""
        self.kube.run("apply", "-n", self.namespace, "-f", "-", given=yaml.safe_dump_all(documents))

    def model(self, name: str, uri: str, **spec: Any) -> Object:
        """A ModelDeployment that is small enough for a node with two cores."""
        small = {"resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}}
        body = {"model": {"uri": uri, **spec.pop("model", {})}, **small, **spec}
        return {
            "apiVersion": "modelyard.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": name},
            "spec": body,
        }

    def get(self, *arguments: str) -> Object:
        """`kubectl get` as an object."""
        return self.kube.get(*arguments, "-n", self.namespace)

    def model_pods(self) -> list[Object]:
        """Pods of models, those that are being deleted, too."""
        found: list[Object] = self.get("pods", "-l", "app.kubernetes.io/managed-by=modelyard")["items"]
        return found

    def only_revision(self, name: str) -> bool:
        """Whether a rollout is over, with all pods of other revisions gone."""
        status = self.get("mdep", name)["status"]
        revisions = {pod["metadata"]["labels"]["modelyard.dev/revision"] for pod in self.model_pods()}
        return revisions == {status["revision"]} and "rollout" not in status

    def items(self, kinds: str) -> list[str]:
        """Names of objects."""
        return self.kube.run("get", kinds, "-n", self.namespace, "-o", "name").split()

    def ready(self, name: str, seconds: float = 120.0) -> Object:
        """Wait for a model to be Ready, as a user does; its status."""
        self.kube.run("wait", "--for=condition=Ready", f"mdep/{name}", "-n", self.namespace, f"--timeout={seconds}s")
        status: Object = self.get("mdep", name)["status"]
        return status

    def reason(self, name: str, reason: str, kind: str = "Ready", seconds: float = 120.0) -> str:
        """Wait for a condition of the present generation to have a reason; its message."""

        def check() -> str:
            found = self.get("mdep", name)
            conditions = found.get("status", {}).get("conditions", [])
            one = next((one for one in conditions if one["type"] == kind), None)
            assert one is not None, found
            assert one["observedGeneration"] == found["metadata"]["generation"]
            assert one["reason"] == reason, one
            return str(one["message"])

        return eventually(check, seconds)

    def allow(self, account: str = CALLER) -> None:
        """A ServiceAccount that may ask every model of the namespace."""
        head = {"name": account, "namespace": self.namespace}
        reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "modelyard-invoker"}
        binding = {"metadata": head, "roleRef": reference, "subjects": [{"kind": "ServiceAccount", **head}]}
        self.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": head},
            {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", **binding},
        )

    def token(self, account: str = CALLER, audience: str = AUDIENCE) -> str:
        """A token of a ServiceAccount."""
        return self.kube.run("create", "token", account, "-n", self.namespace, f"--audience={audience}").strip()

    def upstream_key(self) -> str:
        """What the gateway shows to the models of the namespace."""
        secret = self.kube.get("secret", NAMESPACE_SECRET, "-n", self.namespace)
        return base64.b64decode(secret["data"][NAMESPACE_ENTRY]).decode().split()[0]

    def client(self, name: str, model: str) -> None:
        """Start a pod that asks a model in a loop, with several callers, through the gateway."""
        url = f"http://{GATEWAY}.{SYSTEM}/{self.namespace}/{model}/v2/models/{model}/infer"
        source = {"serviceAccountToken": {"path": "token", "audience": AUDIENCE, "expirationSeconds": 3600}}
        container = {
            "name": "client",
            "image": self.target.images["python"],
            "command": ["python3", "-u", "-c", CLIENT.read_text(), url],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": [{"name": "token", "mountPath": "/var/run/modelyard", "readOnly": True}],
        }
        spec = {
            "restartPolicy": "Never",
            "serviceAccountName": CALLER,
            "automountServiceAccountToken": False,
            "volumes": [{"name": "token", "projected": {"sources": [source]}}],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "fsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        }
        self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
        self.kube.run("wait", "--for=condition=Ready", f"pod/{name}", "-n", self.namespace, "--timeout=60s")
        eventually(lambda: "started" in self.kube.run("logs", name, "-n", self.namespace))

    def answers(self, name: str) -> Mapping[str, Any]:
        """Tell a client to stop; what it saw."""
        # The messenger may be gone with the pod before it has told how it went: the pod's own end is what counts.
        self.kube.succeeds("exec", name, "-n", self.namespace, "--", "python3", "-c", "import os; os.kill(1, 15)")
        self.kube.run(
            *("wait", f"pod/{name}", "-n", self.namespace, "--for=jsonpath={.status.phase}=Succeeded"),
            "--timeout=60s",
        )
        found: Mapping[str, Any] = json.loads(self.kube.run("logs", name, "-n", self.namespace).splitlines()[-1])
        return found


def holds_gpus(pod: Object) -> bool:
    """Whether a pod has GPUs of its node; one that is being deleted still has them."""
    if "nodeName" not in pod["spec"] or pod["status"].get("phase") in ("Succeeded", "Failed"):
        return False
    return any("nvidia.com/gpu" in one["resources"].get("limits", {}) for one in pod["spec"]["containers"])


CARD = """\
name: broken
version: "1"
format: torch
inputs: [{name: input, datatype: FP32, shape: [-1, 4]}]
outputs: [{name: output, datatype: FP32, shape: [-1, 2]}]
architecture: {type: linear, inFeatures: 4, outFeatures: 2}
"""


def broken_package(folder: Path) -> str:
    """A package that is whole, but whose weights do not fit its architecture; its digest."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.yaml").write_text(CARD)
    save_file({"out.weight": np.zeros((3, 3), np.float32)}, folder / "model.safetensors")
    return str(files.seal(folder))


class Store:
    """The demo's object store, reached through a forwarded port on loopback."""

    def __init__(self, endpoint: str, keys: Mapping[str, str]) -> None:
        self._store = S3Store(
            "models",
            endpoint=endpoint,
            region="us-east-1",
            access_key_id=keys["AWS_ACCESS_KEY_ID"],
            secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            client_options={"allow_http": True},
        )

    def put(self, folder: Path, prefix: str) -> None:
        """Upload a package."""
        for path in sorted(folder.iterdir()):
            obstore.put(self._store, f"{prefix}/{path.name}", path)

    def fetch(self, prefix: str, folder: Path) -> Path:
        """Download a package."""
        folder.mkdir(parents=True)
        for batch in self._store.list(prefix + "/"):
            for entry in batch:
                content = obstore.get(self._store, entry["path"]).bytes()
                (folder / Path(entry["path"]).name).write_bytes(bytes(content))
        return folder


@contextmanager
def store(target: Target) -> Iterator[Store]:
    """Forward a port of this machine to the object store."""
    secret = target.kube.get("secret", SECRET, "-n", DEMO)["data"]
    keys = {name: base64.b64decode(value).decode() for name, value in secret.items()}
    with target.kube.forward(DEMO, "service/object-store", 80) as port:
        yield Store(f"http://127.0.0.1:{port}", keys)
