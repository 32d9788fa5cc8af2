"""The namespace with its model on the local cluster, and how each part is killed: by SIGKILL, from the machine."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from modelyard_demo.kube import Kube
from modelyard_demo.scenes import AUDIENCE, DEMO, GATEWAY, SECRET, SYSTEM
from modelyard_local import cluster
from modelyard_local.daemons import Daemons
from modelyard_local.errors import LocalError
from modelyard_local.paths import Paths
from modelyard_local.progress import Progress
from modelyard_local.tools import ToolBox

NAMESPACE, MODEL, CALLER = "failures", "small", "caller"
PATH = f"/{NAMESPACE}/{MODEL}/v2/models/{MODEL}/infer"
BODY = json.dumps(
    {"inputs": [{"name": "measurements", "datatype": "FP32", "shape": [1, 30], "data": [1.0] * 30}]}
).encode()
GATEWAYS = ("-n", SYSTEM, "-l", "app.kubernetes.io/component=gateway")
OPERATORS = ("-n", SYSTEM, "-l", "app.kubernetes.io/component=operator")
MODELS = ("-n", NAMESPACE, "-l", "app.kubernetes.io/managed-by=modelyard")


def prepare(kube: Kube) -> tuple[str, int]:
    """A model of two replicas and somebody who may ask it; the address of the gateway."""
    kube.run("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    kube.run("create", "namespace", NAMESPACE)
    head = {"name": CALLER, "namespace": NAMESPACE}
    rbac = "rbac.authorization.k8s.io"
    documents = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "namespace": NAMESPACE},
            "data": kube.get("secret", SECRET, "-n", DEMO)["data"],
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": head},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": head,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "modelyard-invoker"},
            "subjects": [{"kind": "ServiceAccount", **head}],
        },
        {
            "apiVersion": "modelyard.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": MODEL, "namespace": NAMESPACE},
            "spec": {
                "model": {"uri": "s3://models/breast-cancer/1"},
                "replicas": 2,
                "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}},
            },
        },
    ]
    kube.run("apply", "-f", "-", given="\n---\n".join(json.dumps(one) for one in documents))
    kube.run("wait", "--for=condition=Ready", f"mdep/{MODEL}", "-n", NAMESPACE, "--timeout=300s")
    return (kube.get("service", GATEWAY, "-n", SYSTEM)["spec"]["clusterIP"], 80)


def token(kube: Kube) -> str:
    """For the gateway, valid for an hour."""
    return kube.run("create", "token", CALLER, "-n", NAMESPACE, f"--audience={AUDIENCE}").strip()


def kill(kube: Kube, selector: Sequence[str], command: str, count: int) -> None:
    """SIGKILL the processes of so many pods whose command line holds a word."""
    pods = kube.get("pods", *selector, "--field-selector=status.phase=Running")["items"]
    for pod in pods[:count]:
        found = _processes(pod["metadata"]["uid"], command)
        if not found:
            raise LocalError(f"no process `{command}` in pod {pod['metadata']['name']}; is this the local cluster?")
        for pid in found:
            os.kill(pid, signal.SIGKILL)


def _processes(uid: str, command: str) -> list[int]:
    """Processes of a pod. Its cgroup is named by its uid, with dashes or underscores."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            group, line = (folder / "cgroup").read_text(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if (uid in group or uid.replace("-", "_") in group) and command in line.replace(b"\0", b" ").decode():
            found.append(int(folder.name))
    return found


def without_api_server(paths: Paths, seconds: float) -> None:
    """Stop the API server by SIGKILL, and start it again after so many seconds."""
    Daemons(paths, ToolBox(paths)).supervisor.stop("kube-apiserver", grace=0)
    time.sleep(seconds)
    cluster.up(paths, Progress())


def restart(kube: Kube, deployment: str) -> None:
    """A rolling update of a part of the platform."""
    kube.run("rollout", "restart", f"deployment/{deployment}", "-n", SYSTEM)
    kube.run("rollout", "status", f"deployment/{deployment}", "-n", SYSTEM, "--timeout=300s")
