"""Every process of the cluster: its arguments, its files, and how to tell that it is healthy."""

from __future__ import annotations

import calendar
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from . import gpu, kubeconfig, layout, nodefiles
from .api import ApiClient, JsonObject
from .components import (
    ControlPlaneSettings,
    apiserver_arguments,
    certificates,
    controller_manager_arguments,
    etcd_arguments,
    scheduler_arguments,
)
from .errors import LocalError
from .objects import DNS_USER, KUBELET_CLIENT
from .paths import Paths
from .pki import Certificate
from .pki import ensure as ensure_pki
from .processes import Spec, Supervisor, age
from .sockets import accepts, answers
from .tools import ToolBox

NAMES = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "registry",
    "containerd",
    "kubelet",
    "kube-proxy",
    "coredns",
)
READY_SECONDS = 120
_USERS = ("kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "coredns")


def all_certificates() -> list[Certificate]:
    """Return the certificates of the whole cluster."""
    return [
        *(one for one in certificates(layout.ADDRESS) if one.name != "apiserver-kubelet-client"),
        Certificate("apiserver-kubelet-client", KUBELET_CLIENT),
        Certificate("kube-scheduler", "system:kube-scheduler"),
        Certificate("kube-proxy", "system:kube-proxy"),
        Certificate("coredns", DNS_USER),
        Certificate("kubelet", f"system:node:{layout.NODE}", "system:nodes", hosts=(layout.NODE, layout.ADDRESS)),
    ]


class Daemons:
    """Starts each process of the cluster from any state, and knows whether it is healthy."""

    def __init__(self, paths: Paths, tools: ToolBox) -> None:
        self._paths = paths
        self._tools = tools
        self.supervisor = Supervisor(paths.run, paths.logs)
        self.settings = ControlPlaneSettings(
            pki=paths.pki,
            etcd_data=paths.etcd,
            address=layout.ADDRESS,
            api_port=layout.API_PORT,
            etcd_port=layout.ETCD_PORT,
            etcd_peer_port=layout.ETCD_PEER_PORT,
            etcd_health_port=layout.ETCD_HEALTH_PORT,
            controller_manager_port=layout.CONTROLLER_MANAGER_PORT,
            node_tier=True,
        )

    def pki(self) -> str:
        """Make keys, certificates and kubeconfigs."""
        made = ensure_pki(self._paths.pki, all_certificates())
        for name in _USERS:
            kubeconfig.write_for_certificate(self._kubeconfig(name), self.settings.server, self._paths.pki, name)
        kubeconfig.write_for_certificate(self._paths.kubeconfig, self.settings.server, self._paths.pki, "admin")
        return f"{made} made" if made else ""

    def client(self) -> ApiClient:
        """Return a client of the API server with the administrator's rights."""
        return ApiClient(layout.ADDRESS, layout.API_PORT, self._paths.pki)

    def ensure(self, name: str, sandbox_image: str = "") -> str:
        """Start a process unless it runs as wanted, and wait until it is healthy; return what was done."""
        outcome = self.supervisor.ensure(self._spec(name, sandbox_image))
        self.supervisor.wait_ready(name, lambda: self.is_healthy(name), READY_SECONDS)
        return outcome

    def is_healthy(self, name: str) -> bool:
        """Return whether a process says that it is well."""
        checks: dict[str, Callable[[], bool]] = {
            "etcd": lambda: answers(layout.ETCD_HEALTH_PORT, "/health"),
            "kube-apiserver": lambda: self.client().is_ready(),
            "kube-controller-manager": lambda: answers(layout.CONTROLLER_MANAGER_PORT, "/healthz", tls=True),
            "kube-scheduler": lambda: answers(layout.SCHEDULER_PORT, "/readyz", tls=True),
            "registry": lambda: answers(layout.REGISTRY_PORT, "/v2/"),
            "containerd": lambda: accepts(self._paths.containerd_socket),
            "kubelet": lambda: answers(layout.KUBELET_HEALTH_PORT, "/healthz"),
            "kube-proxy": lambda: answers(layout.PROXY_HEALTH_PORT, "/healthz"),
            "coredns": lambda: answers(layout.DNS_READY_PORT, "/ready"),
        }
        return checks[name]()

    def node_ready(self) -> str:
        """Wait until the kubelet that runs now (not one before it) has said that the node is ready."""
        record = self.supervisor.record("kubelet")
        if record is None:
            raise LocalError("the kubelet does not run", log=self.supervisor.log("kubelet"))
        began, client = time.time() - age(record.started), self.client()
        if is_ready_since(client.get(gpu.NODE_PATH), began):
            return ""
        self.supervisor.wait_ready("kubelet", lambda: is_ready_since(client.get(gpu.NODE_PATH), began), READY_SECONDS)
        return "ready"

    def _spec(self, name: str, sandbox_image: str) -> Spec:
        """Write the files of a process and return what to run."""
        special = {
            "containerd": lambda: self._containerd(sandbox_image),
            "kubelet": self._kubelet,
            "kube-proxy": self._kube_proxy,
            "coredns": self._coredns,
            "registry": self._registry,
        }
        if name in special:
            return special[name]()
        arguments = {
            "etcd": lambda: etcd_arguments(self.settings),
            "kube-apiserver": lambda: apiserver_arguments(self.settings),
            "kube-controller-manager": lambda: controller_manager_arguments(self.settings, self._kubeconfig(name)),
            "kube-scheduler": lambda: scheduler_arguments(self._kubeconfig(name), layout.SCHEDULER_PORT),
        }[name]()
        return Spec(name, (str(self._tools.path(name)), *arguments))

    def _containerd(self, sandbox_image: str) -> Spec:
        root = self._paths.containerd
        program = shutil.which("containerd")
        if program is None:
            raise LocalError("containerd is not installed; run `up`, which installs it")
        config = self._write("containerd.toml", nodefiles.containerd_toml(root, sandbox_image))
        (root / "cni").mkdir(parents=True, exist_ok=True)
        (root / "cni" / "10-modelyard.conflist").write_text(nodefiles.cni_conflist(root / "addresses"))
        return Spec("containerd", (program, "--config", str(config)), (config,))

    def _kubelet(self) -> Spec:
        resolver = self._write("pod-resolv.conf", nodefiles.pod_resolv_conf())
        root, socket = self._paths.kubelet, self._paths.containerd_socket
        config = self._write("kubelet.json", nodefiles.kubelet_config(self._paths.pki, root, socket, resolver))
        arguments = (
            f"--config={config}",
            f"--kubeconfig={self._kubeconfig('kubelet')}",
            f"--hostname-override={layout.NODE}",
            f"--node-ip={layout.ADDRESS}",
            f"--root-dir={root}",
            f"--cert-dir={root / 'pki'}",
        )
        return Spec("kubelet", (str(self._tools.path("kubelet")), *arguments), (config,))

    def _kube_proxy(self) -> Spec:
        config = self._write("kube-proxy.json", nodefiles.kube_proxy_config(self._kubeconfig("kube-proxy")))
        return Spec("kube-proxy", (str(self._tools.path("kube-proxy")), f"--config={config}"), (config,))

    def _coredns(self) -> Spec:
        forward = nodefiles.has_nameserver(Path("/etc/resolv.conf").read_text())
        config = self._write("Corefile", nodefiles.corefile(self._kubeconfig("coredns"), forward=forward))
        return Spec("coredns", (str(self._tools.path("coredns")), "-conf", str(config)), (config,))

    def _registry(self) -> Spec:
        config = self._write("registry.json", nodefiles.registry_config(self._paths.images / "registry"))
        quiet = {"OTEL_TRACES_EXPORTER": "none"}
        return Spec("registry", (str(self._tools.path("registry")), "serve", str(config)), (config,), quiet)

    def _kubeconfig(self, name: str) -> Path:
        return self._paths.config / f"{name}.kubeconfig"

    def _write(self, name: str, text: str) -> Path:
        """Write a file only if it changes: kube-proxy ends itself when its file is touched."""
        path = self._paths.config / name
        kubeconfig.write_private(path, text)
        return path


def is_ready_since(node: JsonObject | None, began: float) -> bool:
    """Return whether a node's Ready condition is true and was renewed after `began` (seconds since the epoch)."""
    for condition in (node or {}).get("status", {}).get("conditions", []):
        if condition["type"] == "Ready":
            beat = calendar.timegm(time.strptime(condition["lastHeartbeatTime"], "%Y-%m-%dT%H:%M:%SZ"))
            return bool(condition["status"] == "True" and beat >= int(began))
    return False
