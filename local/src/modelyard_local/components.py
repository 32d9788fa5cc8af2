"""Arguments of etcd and the control plane's programs, for a cluster and for integration tests alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import audit, layout
from .pki import Certificate


@dataclass(frozen=True)
class Rate:
    """Requests that a component of Kubernetes may send: a second on average, and at once."""

    qps: int
    burst: int

    def arguments(self) -> list[str]:
        """The flags that set it."""
        return [f"--kube-api-qps={self.qps}", f"--kube-api-burst={self.burst}"]


# Kubernetes' own default of 20 a second makes about four Deployments a second Ready, whoever created them.
UNBOUND = Rate(qps=2000, burst=4000)


@dataclass(frozen=True)
class ControlPlaneSettings:
    """Where the parts of one control plane listen and keep their data.

    `node_tier` is False for a control plane without nodes: its API server may then live on loopback,
    an address that endpoints refuse. Port 0 for the controller manager: it serves nothing. `audit` is the folder of
    the audit policy and log; None for no log.
    """

    pki: Path
    etcd_data: Path
    address: str
    api_port: int
    etcd_port: int
    etcd_peer_port: int
    etcd_health_port: int
    controller_manager_port: int = 0
    node_tier: bool = False
    audit: Path | None = None

    @property
    def server(self) -> str:
        """The API server's address for clients."""
        return f"https://{self.address}:{self.api_port}"


def certificates(address: str) -> list[Certificate]:
    """Return the certificates of a control plane whose API server listens on `address`."""
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{layout.DOMAIN}")
    return [
        Certificate("apiserver", "kube-apiserver", hosts=(address, layout.API_SERVICE, "localhost", *names)),
        Certificate("etcd", "etcd", hosts=("127.0.0.1", "localhost"), authority="etcd-ca"),
        Certificate("apiserver-etcd-client", "kube-apiserver", authority="etcd-ca"),
        Certificate("apiserver-kubelet-client", "modelyard:apiserver-kubelet-client"),
        Certificate("front-proxy-client", "front-proxy-client", authority="front-proxy-ca"),
        Certificate("admin", "admin", "system:masters"),
        Certificate("kube-controller-manager", "system:kube-controller-manager"),
    ]


def etcd_arguments(settings: ControlPlaneSettings) -> list[str]:
    """Return etcd's arguments; without fsync: a local cluster outlives a killed process, not a power cut."""
    pki, client = settings.pki, f"https://127.0.0.1:{settings.etcd_port}"
    peer = f"https://127.0.0.1:{settings.etcd_peer_port}"
    return [
        "--name=local",
        f"--data-dir={settings.etcd_data}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=local={peer}",
        f"--listen-metrics-urls=http://127.0.0.1:{settings.etcd_health_port}",
        "--client-cert-auth",
        "--peer-client-cert-auth",
        *(f"--{role}trusted-ca-file={pki / 'etcd-ca.crt'}" for role in ("", "peer-")),
        *(f"--{role}cert-file={pki / 'etcd.crt'}" for role in ("", "peer-")),
        *(f"--{role}key-file={pki / 'etcd.key'}" for role in ("", "peer-")),
    ]


def apiserver_arguments(settings: ControlPlaneSettings) -> list[str]:
    """Return kube-apiserver's arguments."""
    pki = settings.pki
    return [
        f"--etcd-servers=https://127.0.0.1:{settings.etcd_port}",
        f"--etcd-cafile={pki / 'etcd-ca.crt'}",
        f"--etcd-certfile={pki / 'apiserver-etcd-client.crt'}",
        f"--etcd-keyfile={pki / 'apiserver-etcd-client.key'}",
        f"--bind-address={settings.address}",
        f"--secure-port={settings.api_port}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--service-cluster-ip-range={layout.SERVICE_RANGE}",
        f"--service-account-issuer=https://kubernetes.default.svc.{layout.DOMAIN}",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--profiling=false",
        *_front_proxy_arguments(pki),
        *(_audit_arguments(settings.audit) if settings.audit else []),
        *(_node_arguments(settings) if settings.node_tier else ["--endpoint-reconciler-type=none"]),
        *([] if settings.node_tier else ["--disable-admission-plugins=ServiceAccount"]),
    ]


def _node_arguments(settings: ControlPlaneSettings) -> list[str]:
    return [
        f"--advertise-address={settings.address}",
        "--allow-privileged=true",
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={settings.pki / 'ca.crt'}",
        f"--kubelet-client-certificate={settings.pki / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={settings.pki / 'apiserver-kubelet-client.key'}",
    ]


def _audit_arguments(folder: Path) -> list[str]:
    """Return the flags of the audit log; it is written line by line, so that a reader need not wait for a batch."""
    return [
        f"--audit-policy-file={folder / audit.POLICY_NAME}",
        f"--audit-log-path={folder / audit.LOG_NAME}",
        "--audit-log-mode=blocking",
    ]


def _front_proxy_arguments(pki: Path) -> list[str]:
    return [
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
    ]


def controller_manager_arguments(
    settings: ControlPlaneSettings, kubeconfig: Path, rate: Rate | None = None
) -> list[str]:
    """Return kube-controller-manager's arguments; its own limit of requests when no rate is given."""
    pki = settings.pki
    return [
        *_client_arguments(kubeconfig, settings.controller_manager_port),
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--service-account-private-key-file={pki / 'sa.key'}",
        "--use-service-account-credentials",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        "--horizontal-pod-autoscaler-sync-period=5s",
        *(rate.arguments() if rate else []),
    ]


def scheduler_arguments(kubeconfig: Path, port: int, rate: Rate | None = None) -> list[str]:
    """Return kube-scheduler's arguments; its own limit of requests when no rate is given."""
    return [*_client_arguments(kubeconfig, port), *(rate.arguments() if rate else [])]


def kwok_arguments(kubeconfig: Path, stages: Path, port: int) -> list[str]:
    """Return KWOK's arguments: it plays the kubelet of every node."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--config={stages}",
        "--manage-all-nodes=true",
        "--node-ip=127.0.0.1",
        "--cidr=10.128.0.1/16",
        "--node-lease-duration-seconds=40",
        f"--server-address=127.0.0.1:{port}",
    ]


def _client_arguments(kubeconfig: Path, port: int) -> list[str]:
    roles = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    return [
        *(f"--{role}={kubeconfig}" for role in roles),
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--profiling=false",
    ]
