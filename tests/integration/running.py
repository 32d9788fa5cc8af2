"""A real API server with our CRDs and RBAC, and operators that run on it as their own ServiceAccount."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from prometheus_client.parser import text_string_to_metric_families

from chart.rendering import NAMESPACE, Chart, find_helm
from modelyard_local.components import Rate
from modelyard_local.controlplane import ControlPlane
from modelyard_local.paths import Paths
from modelyard_local.sockets import free_ports
from modelyard_local.tools import ToolBox

T = TypeVar("T")
Object = dict[str, Any]
MODELS = "/apis/modelyard.dev/v1alpha1/namespaces/{}/modeldeployments"
PACKAGE = '{"digest": "sha256:' + "a" * 64 + '", "name": "digits", "version": "1", "format": "torch", "bytes": 10}'
# The garbage collector looks for new kinds every half a minute: a young control plane collects no child of ours before.
COLLECTED = 120.0
INSTALLED = {
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ServiceAccount",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


def eventually(check: Callable[[], T], seconds: float = 30.0, pause: float = 0.05) -> T:
    """The first true answer of `check`, asked every `pause` seconds; the last failure when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = check()
            if answer or time.monotonic() > deadline:
                assert answer, "never became true"
                return answer
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(pause)


@dataclass
class Cluster:
    """The API server, as administrator."""

    plane: ControlPlane
    models: list[str] = field(default_factory=list)

    def kubectl(self, *arguments: str, given: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl."""
        kubectl = str(ToolBox(Paths.from_env(os.environ)).path("kubectl"))
        environment = {**os.environ, "KUBECONFIG": str(self.plane.kubeconfig), "HOME": str(self.plane.directory)}
        done = subprocess.run(
            [kubectl, *arguments], check=False, capture_output=True, text=True, input=given, env=environment
        )
        assert done.returncode == 0 or not check, done.stderr
        return done

    def apply(self, *documents: Object) -> None:
        """Apply objects as a user does."""
        self.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(documents))

    def refusal(self, document: Object) -> str:
        """What the server says about an object that it must refuse."""
        done = self.kubectl("apply", "-f", "-", given=yaml.safe_dump(document), check=False)
        assert done.returncode != 0, f"accepted {document}"
        return done.stderr

    def get(self, path: str) -> Object | None:
        """An object, or None."""
        return self.plane.client().get(path)

    def found(self, path: str) -> Object:
        """An object that must be there."""
        document = self.get(path)
        assert document is not None, f"{path} is missing"
        return document

    def items(self, path: str) -> list[Object]:
        """Objects of a collection."""
        return list((self.get(path) or {"items": []})["items"])

    def model(self, namespace: str, name: str = "digits") -> Object:
        """A ModelDeployment that must be there."""
        found = self.get(f"{MODELS.format(namespace)}/{name}")
        assert found is not None
        return found

    def condition(self, namespace: str, name: str = "digits", kind: str = "Ready") -> Object:
        """A condition, once it speaks of the present generation."""
        model = self.model(namespace, name)
        for one in model.get("status", {}).get("conditions", []):
            if one["type"] == kind and one["observedGeneration"] == model["metadata"]["generation"]:
                return dict(one)
        raise AssertionError(f"no current {kind} in {model.get('status')}")

    def reason(self, namespace: str, reason: str, name: str = "digits", kind: str = "Ready") -> Object:
        """Wait for a condition to have a reason."""

        def check() -> Object:
            found = self.condition(namespace, name, kind)
            assert found["reason"] == reason, found
            return found

        return eventually(check)

    def deployments(self, namespace: str) -> list[Object]:
        """Deployments of a namespace."""
        return self.items(f"/apis/apps/v1/namespaces/{namespace}/deployments")

    def play_kubelet(self, namespace: str, **status: Any) -> int:
        """There is no kubelet in this tier: give every pod that has none yet the status that one would give it."""
        done = 0
        for pod in self.items(f"/api/v1/namespaces/{namespace}/pods"):
            if pod["status"].get("conditions") or "deletionTimestamp" in pod["metadata"]:
                continue
            path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/status"
            self.plane.client().merge(path, {"status": status or READY_POD})
            done += 1
        return done

    def make_ready(self, namespace: str, name: str = "digits") -> None:
        """Play the kubelet until the model is Ready."""

        def check() -> bool:
            self.play_kubelet(namespace)
            return bool(self.condition(namespace, name)["status"] == "True")

        eventually(check)


READY_POD: Object = {
    "phase": "Running",
    "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
    "initContainerStatuses": [
        {
            "name": "fetch",
            "image": "x",
            "imageID": "x",
            "ready": True,
            "restartCount": 0,
            "state": {"terminated": {"exitCode": 0, "message": PACKAGE}},
        }
    ],
}


def model(namespace: str, name: str = "digits", **spec: Any) -> Object:
    """The shortest ModelDeployment, with fields of spec laid over it."""
    return {
        "apiVersion": "modelyard.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": {"uri": f"s3://models/{name}/1"}, **spec},
    }


class Operator:
    """One operator process."""

    def __init__(self, kubeconfig: Path, log: Path, **settings: str) -> None:
        self.port = free_ports(1)[0]
        self._log = log.open("ab")
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(kubeconfig),
            "MODELYARD_FETCH_IMAGE": "registry.example/modelyard/model-server:1",
            "MODELYARD_HTTP_PORT": str(self.port),
            "MODELYARD_LOG_FORMAT": "text",
            "MODELYARD_UPSTREAM_SECRET": "modelyard-upstream",
            "POD_NAMESPACE": NAMESPACE,
            **settings,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "modelyard_operator"], env=environment, stdout=self._log, stderr=self._log
        )

    def path(self, path: str) -> str:
        """What it answers at a path; empty while it does not."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return ""

    def metric(self, name: str, **labels: str) -> float:
        """Sum of all samples of a metric that have these labels."""
        total = 0.0
        for family in text_string_to_metric_families(self.path("/metrics")):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    total += sample.value
        return total

    def quiet(self) -> None:
        """Wait until it leads and has nothing left to do."""
        eventually(lambda: self.path("/readyz") and self.metric("modelyard_leader") == 1)
        eventually(lambda: self.metric("modelyard_queue_depth") == 0)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        self._log.close()
        return code


@dataclass
class Leader:
    """The operator that tests share until one of them ends it; then the next one that wants it gets a new one."""

    account: Path
    log: Path
    _operator: Operator | None = None

    def running(self) -> Operator:
        """The operator, with nothing left to do."""
        if self._operator is None or self._operator.process.poll() is not None:
            self._operator = Operator(self.account, self.log, MODELYARD_LEASE_DURATION="4")
        self._operator.quiet()
        return self._operator

    def end(self) -> None:
        """End it, if it runs: it must have made no mistake."""
        if self._operator is not None and self._operator.process.poll() is None:
            defects = self._operator.metric("modelyard_reconcile_total", result="error")
            code = self._operator.end()
            said = self.log.read_text()
            assert "is forbidden: User" not in said, f"RBAC lacks something: {said}"
            assert (defects, code) == (0, 0), said

    def check(self) -> None:
        """End it if it has made a mistake, so that the test that it was made in fails and no other."""
        if self._operator is None or self._operator.process.poll() is not None:
            return
        defects = self._operator.metric("modelyard_reconcile_total", result="error")
        if defects or "is forbidden: User" in self.log.read_text():
            self.end()


def assert_writes_nothing(operator: Operator, models: int) -> None:
    """Wait until an operator has looked at all models that are there: each is as it should be."""
    operator.quiet()
    eventually(lambda: operator.metric("modelyard_reconcile_total", result="ok") >= models)
    assert operator.metric("modelyard_api_writes_total") == 0


@contextmanager
def cluster(directory: Path, *, rate: Rate | None = None, audited: bool = False) -> Iterator[Cluster]:
    """A control plane with our CRDs and RBAC installed from the chart."""
    with ControlPlane(directory / "plane", controller_manager=True, rate=rate, audited=audited) as plane:
        found = Cluster(plane)
        found.kubectl("create", "namespace", NAMESPACE)
        objects = Chart(find_helm(os.environ)).objects(apis=())
        install = [one for one in objects if one["kind"] in INSTALLED]
        text = yaml.safe_dump_all(install)
        found.kubectl("apply", "--server-side", "-f", "-", given=text)
        crds = [one["metadata"]["name"] for one in install if one["kind"] == "CustomResourceDefinition"]
        found.kubectl("wait", "--for=condition=Established", "--timeout=30s", *(f"crd/{name}" for name in crds))
        found.kubectl("apply", "-f", "-", given=RUNTIME)
        yield found


RUNTIME = """
apiVersion: modelyard.dev/v1alpha1
kind: ModelRuntime
metadata: {name: modelyard-server}
spec:
  image: registry.example/modelyard/model-server:1
  formats: [{name: package}, {name: torch}, {name: sklearn}]
  command: [modelyard-server]
  args: [serve, --model, $(MODEL_PATH), --name, $(MODEL_NAME), --port, $(PORT)]
"""
