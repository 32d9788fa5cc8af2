"""A control plane on loopback: etcd, kube-apiserver and, if asked, kube-controller-manager.

For integration tests: needs no root, several run side by side, RBAC is on.

    with ControlPlane(tmp_path, controller_manager=True) as plane:
        config = plane.service_account_kubeconfig("default", "operator")
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from . import audit, kubeconfig
from .api import ApiClient
from .components import (
    ControlPlaneSettings,
    Rate,
    apiserver_arguments,
    certificates,
    controller_manager_arguments,
    etcd_arguments,
)
from .errors import LocalError
from .paths import Paths
from .pki import ensure as ensure_pki
from .processes import Running, Spec, Supervisor
from .sockets import answers, free_ports
from .tools import ToolBox

ADDRESS = "127.0.0.1"
READY_SECONDS = 60
_ATTEMPTS = 3


@dataclass(frozen=True)
class Ports:
    """The ports of one control plane, all on loopback."""

    api: int
    etcd: int
    etcd_peer: int
    etcd_health: int

    @classmethod
    def free(cls) -> Ports:
        """Pick four that are free now."""
        return cls(*free_ports(4))


class ControlPlane(Running):
    """One control plane whose whole state is `directory`.

    `ports` are chosen when not given. `rate` is the controller manager's; its own default when not given. An `audited`
    plane logs who sends what. `start` on a directory whose control plane runs finds it again.
    """

    def __init__(
        self,
        directory: Path,
        *,
        ports: Ports | None = None,
        controller_manager: bool = False,
        rate: Rate | None = None,
        audited: bool = False,
    ) -> None:
        self.directory = directory.absolute()
        self._fixed = ports
        self._with_controller_manager = controller_manager
        self._rate = rate
        self._audited = audited
        self._tools = ToolBox(Paths.from_env(os.environ))
        self._processes = Supervisor(self.directory / "run", self.directory / "log")
        self._ports_file = self.directory / "ports.json"

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._settings(self._ports()).server

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "admin.kubeconfig"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.directory / "pki"

    def log(self, name: str) -> Path:
        """Return the log of etcd, kube-apiserver or kube-controller-manager."""
        return self._processes.log(name)

    @property
    def audit_log(self) -> Path:
        """The audit log of an `audited` plane; `audit.AuditLog` reads it."""
        return self.directory / audit.LOG_NAME

    def start(self) -> None:
        """Start what does not run and wait until it is ready; free ports that get taken meanwhile are chosen anew."""
        self._require_tools()
        ensure_pki(self.pki, certificates(ADDRESS))
        if self._audited:
            kubeconfig.write_private(self.directory / audit.POLICY_NAME, audit.policy())
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._start_on(self._choose_ports(anew=attempt > 1))
            except LocalError:
                self.stop()
                if self._fixed or attempt == _ATTEMPTS:
                    raise
            else:
                return

    def stop(self) -> None:
        """Stop everything; the objects stay in `directory` for the next start."""
        for name in ("kube-controller-manager", "kube-apiserver", "etcd"):
            self._processes.stop(name)

    def client(self) -> ApiClient:
        """Return a client with the administrator's rights."""
        return ApiClient(ADDRESS, self._ports().api, self.pki)

    def service_account_kubeconfig(self, namespace: str, name: str, seconds: int = 24 * 3600) -> Path:
        """Mint a token of an existing ServiceAccount and return a kubeconfig that uses it."""
        return self.process_kubeconfig(namespace, name, seconds)[0]

    def process_kubeconfig(self, namespace: str, name: str, seconds: int = 24 * 3600) -> tuple[Path, str]:
        """Return a kubeconfig with a token of its own, and the `credential` by which the audit log knows it."""
        token = self.client().mint_token(namespace, name, seconds)
        credential = audit.credential(token)
        path = self.directory / f"{namespace}-{name}-{credential[-8:]}.kubeconfig"
        kubeconfig.write_for_token(path, self.server, self.pki, token)
        return path, credential

    def _require_tools(self) -> None:
        names = ["etcd", "kube-apiserver"] + ["kube-controller-manager"] * self._with_controller_manager
        missing = [name for name in names if not self._tools.path(name).exists()]
        if missing:
            raise LocalError(
                f"not built: {', '.join(missing)}; run `python3 -m modelyard_local tools --only {missing[0]}`"
            )

    def _start_on(self, ports: Ports) -> None:
        settings = self._settings(ports)
        self._run("etcd", etcd_arguments(settings))
        self._processes.wait_ready("etcd", lambda: answers(ports.etcd_health, "/health"), READY_SECONDS)
        self._run("kube-apiserver", apiserver_arguments(settings))
        kubeconfig.write_for_certificate(self.kubeconfig, settings.server, self.pki, "admin")
        client = ApiClient(ADDRESS, ports.api, self.pki)
        self._processes.wait_ready("kube-apiserver", client.is_ready, READY_SECONDS)
        if self._with_controller_manager:
            self._start_controller_manager(settings, client)

    def _start_controller_manager(self, settings: ControlPlaneSettings, client: ApiClient) -> None:
        name = "kube-controller-manager"
        config = self.directory / f"{name}.kubeconfig"
        kubeconfig.write_for_certificate(config, settings.server, self.pki, name)
        self._run(name, controller_manager_arguments(settings, config, self._rate))
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._processes.wait_ready(name, lambda: client.get(account) is not None, READY_SECONDS)

    def _run(self, name: str, arguments: list[str]) -> None:
        self._processes.ensure(Spec(name, (str(self._tools.path(name)), *arguments)))

    def _settings(self, ports: Ports) -> ControlPlaneSettings:
        return ControlPlaneSettings(
            pki=self.pki,
            etcd_data=self.directory / "etcd",
            address=ADDRESS,
            api_port=ports.api,
            etcd_port=ports.etcd,
            etcd_peer_port=ports.etcd_peer,
            etcd_health_port=ports.etcd_health,
            audit=self.directory if self._audited else None,
        )

    def _choose_ports(self, *, anew: bool) -> Ports:
        """Keep the ports of a control plane that runs: its clients know them."""
        if self._ports_file.exists() and not anew and self._processes.record("kube-apiserver"):
            return self._ports()
        ports = self._fixed or Ports.free()
        self._ports_file.write_text(json.dumps(vars(ports)))
        return ports

    def _ports(self) -> Ports:
        try:
            return Ports(**json.loads(self._ports_file.read_text()))
        except FileNotFoundError as error:
            raise LocalError(f"no control plane was started in {self.directory}") from error
