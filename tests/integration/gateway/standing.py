"""A gateway on a real API server, with a real Envoy."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from chart.rendering import NAMESPACE
from integration.gateway.netns import Network, network
from integration.running import Cluster, Object, eventually
from modelyard_local.sockets import free_ports

PODS = ("198.51.100.11", "198.51.100.12", "198.51.100.13")
PORT = 8000
ENVOY_PORT = 8082
ACCOUNT = "modelyard-gateway"
PROGRAM = [sys.executable, "-m", "modelyard_gateway"]
AUDIENCE = "modelyard.dev/inference"
RBAC = "rbac.authorization.k8s.io"


@dataclass
class Answer:
    """What a client got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Gateway:
    """Envoy and the process beside it."""

    def __init__(self, network: Network, folder: Path, envoy_log: Path, process_port: int) -> None:
        self.beside: Beside | None = None
        self.tls: ssl.SSLContext | None = None
        self.environment: dict[str, str] = {}
        self.network = network
        self.folder = folder
        self.envoy_log = envoy_log
        self.process_port = process_port

    def ask(
        self,
        path: str,
        token: str | None = None,
        *,
        method: str = "GET",
        body: bytes | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask as a client does, with more headers."""
        connection = http.client.HTTPConnection("127.0.0.1", PORT)
        connection.sock = self.connect()
        try:
            sent = dict(more or {})
            if token is not None:
                sent["Authorization"] = f"Bearer {token}"
            connection.request(method, path, body, sent)
            found = connection.getresponse()
            return Answer(found.status, dict(found.getheaders()), found.read())
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """A client's connection."""
        plain = self.network.connect(("127.0.0.1", PORT))
        return self.tls.wrap_socket(plain) if self.tls else plain

    def observed(self, path: str, method: str = "GET") -> Answer:
        """Ask Envoy's port for Prometheus and the kubelet."""
        connection = http.client.HTTPConnection("127.0.0.1", ENVOY_PORT)
        connection.sock = self.network.connect(("127.0.0.1", ENVOY_PORT))
        try:
            connection.request(method, path)
            found = connection.getresponse()
            return Answer(found.status, dict(found.getheaders()), found.read())
        finally:
            connection.close()

    def answers(self) -> bool:
        """Whether Envoy is there, and asks the process."""
        try:
            return self.ask("/").status == 401
        except OSError:
            return False

    def raw(self, request: bytes) -> bytes:
        """What is answered to these very bytes, until the other side is silent or closes."""
        with self.network.connect(("127.0.0.1", PORT), timeout=2) as connection:
            connection.sendall(request)
            answer = b""
            try:
                while chunk := connection.recv(65536):
                    answer += chunk
            except TimeoutError:
                pass
            return answer

    def kill_and_begin_anew(self) -> None:
        """The process beside Envoy dies at once, and another one takes its place."""
        assert self.beside
        self.beside.end(signal.SIGKILL)
        self.beside = self.beside.again()
        eventually(self.answers)

    def metric(self, name: str, **labels: str) -> float:
        """Sum of all samples of a metric of the process that have these labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.process_port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        found = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return sum(one.value for one in found if one.name == name and labels.items() <= one.labels.items())

    def access_lines(self) -> list[Object]:
        """Lines of the audit."""
        found = self.envoy_log.read_text().splitlines()
        return [one for line in found if line.startswith("{") and (one := json.loads(line)).get("log") == "access"]


def install(shared: Cluster) -> Path:
    """The kubeconfig of the gateway's ServiceAccount, which has what the chart grants, and nothing more."""
    return shared.plane.service_account_kubeconfig(NAMESPACE, ACCOUNT)


@contextmanager
def standing(kubeconfig: Path, folder: Path, envoy: str, **settings: str) -> Iterator[Gateway]:
    """A gateway that serves."""
    port = free_ports(1)[0]
    shared = folder / "shared"
    environment = {
        "PATH": os.environ["PATH"],
        "KUBECONFIG": str(kubeconfig),
        "MODELYARD_GATEWAY_FOLDER": str(shared),
        "MODELYARD_GATEWAY_ADDRESS": "127.0.0.1",
        "MODELYARD_GATEWAY_PORT": str(PORT),
        "MODELYARD_GATEWAY_HTTP_PORT": str(port),
        **{f"MODELYARD_GATEWAY_{name.upper()}": value for name, value in settings.items()},
    }
    process_log, envoy_log = folder / "gateway.log", folder / "envoy.log"
    shared.mkdir()
    with network(PODS) as found, envoy_log.open("wb") as access:
        gateway = Gateway(found, shared, envoy_log, port)
        gateway.environment = environment
        gateway.tls = _unverified() if "tls" in settings else None
        gateway.beside = Beside(environment, process_log, port)
        try:
            path = f"{Path(envoy).parent}:{environment['PATH']}"
            command = found.command(*PROGRAM, "envoy")
            theirs = subprocess.Popen(command, env=environment | {"PATH": path}, stdout=access, stderr=access)
            try:
                eventually(gateway.answers)
                yield gateway
            finally:
                theirs.terminate()
                # With thousands of clusters it takes its time.
                theirs.wait(90)
        finally:
            assert gateway.beside.end() == 0, process_log.read_text()


class Beside:
    """The process beside Envoy, once it is ready."""

    def __init__(self, environment: Mapping[str, str], log: Path, port: int) -> None:
        self._start = (environment, log, port)
        with log.open("ab") as written:
            self._process = subprocess.Popen(PROGRAM, env=environment, stderr=written)
        eventually(lambda: self._process.poll() is None and _is_ready(port))

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        self._process.send_signal(number)
        return self._process.wait(20)

    def again(self) -> Beside:
        """The next one."""
        return Beside(*self._start)


def _unverified() -> ssl.SSLContext:
    found = ssl.create_default_context()
    found.check_hostname, found.verify_mode = False, ssl.CERT_NONE
    found.set_alpn_protocols(["http/1.1"])
    return found


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def serving(namespace: str, name: str, addresses: list[str], *, ready: bool = True) -> list[Object]:
    """A model, and what its Service would have as an EndpointSlice."""
    labels = {"app.kubernetes.io/managed-by": "modelyard", "modelyard.dev/model": name}
    return [
        {
            "apiVersion": "modelyard.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"model": {"uri": f"s3://models/{name}/1"}},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-x", "namespace": namespace, "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": [{"addresses": [one], "conditions": {"ready": ready}} for one in addresses],
        },
    ]


def account(shared: Cluster, namespace: str, name: str, *models: str, audience: str = AUDIENCE) -> str:
    """A ServiceAccount that may ask these models of its namespace, or `*` for all; a token of it."""
    shared.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
    if models:
        rule = {
            "apiGroups": ["modelyard.dev"],
            "resources": ["modeldeployments/inference"],
            "verbs": ["create"],
            **({} if models == ("*",) else {"resourceNames": list(models)}),
        }
        head = {"name": name, "namespace": namespace}
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        shared.apply(
            {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": head, "rules": [rule]},
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": "RoleBinding",
                "metadata": head,
                "subjects": [subject],
                "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
            },
        )
    return shared.kubectl("create", "token", name, "-n", namespace, f"--audience={audience}").stdout.strip()
