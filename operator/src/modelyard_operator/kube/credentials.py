"""Where the API server is and who we are: the pod's service account, or a kubeconfig outside the cluster."""

import base64
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# The kubelet rotates the token file long before it expires; reading it this often is enough and costs nothing.
TOKEN_SECONDS = 60.0


class Credentials(Struct, kw_only=True):
    """A server, how to trust it, and a token that may rotate."""

    server: str
    context: ssl.SSLContext
    token: str = ""
    token_file: Path | None = None
    namespace: str = "default"
    read_at: float = 0.0
    clock: Callable[[], float] = time.monotonic

    def authorization(self) -> Mapping[str, str]:
        """The header to send now."""
        if self.token_file is not None and self.clock() - self.read_at > TOKEN_SECONDS:
            self.refresh()
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def refresh(self) -> None:
        """Read the token again, as after an answer 401."""
        if self.token_file is not None:
            self.token = self.token_file.read_text().strip()
            self.read_at = self.clock()


class CredentialsError(Exception):
    """There are no usable credentials; the message says where they were sought."""


def load(environment: Mapping[str, str]) -> Credentials:
    """Credentials of the pod's service account, else of the kubeconfig that KUBECONFIG names."""
    if "KUBERNETES_SERVICE_HOST" in environment and (SERVICE_ACCOUNT / "token").exists():
        return _in_cluster(environment)
    path = Path(environment.get("KUBECONFIG") or Path.home() / ".kube" / "config")
    if not path.exists():
        raise CredentialsError(f"no service account at {SERVICE_ACCOUNT} and no kubeconfig at {path}: set KUBECONFIG")
    return _kubeconfig(path)


def _in_cluster(environment: Mapping[str, str]) -> Credentials:
    host, port = environment["KUBERNETES_SERVICE_HOST"], environment.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    return Credentials(
        server=f"https://{host}:{port}",
        context=ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt")),
        token_file=SERVICE_ACCOUNT / "token",
        namespace=(SERVICE_ACCOUNT / "namespace").read_text().strip(),
        read_at=-TOKEN_SECONDS,
    )


def _kubeconfig(path: Path) -> Credentials:
    config = yaml.safe_load(path.read_text())
    context = _named(config, "contexts", config.get("current-context", ""))["context"]
    cluster = _named(config, "clusters", context["cluster"])["cluster"]
    user = _named(config, "users", context["user"])["user"]
    if "exec" in user or "auth-provider" in user:
        raise CredentialsError(f"{path}: exec plugins are not supported; use a token or a client certificate")
    ca = _data(cluster, "certificate-authority")
    trust = ssl.create_default_context(cadata=ca.decode() if ca else None)
    _client_certificate(trust, user)
    return Credentials(
        server=cluster["server"].rstrip("/"),
        context=trust,
        token=user.get("token", ""),
        namespace=context.get("namespace", "default"),
    )


def _named(config: Mapping[str, Any], section: str, name: str) -> Mapping[str, Any]:
    for entry in config.get(section) or []:
        if entry["name"] == name:
            found: Mapping[str, Any] = entry
            return found
    raise CredentialsError(f"kubeconfig has no {section[:-1]} named {name!r}")


def _data(section: Mapping[str, Any], key: str) -> bytes:
    if f"{key}-data" in section:
        return base64.b64decode(section[f"{key}-data"])
    return Path(section[key]).read_bytes() if key in section else b""


def _client_certificate(trust: ssl.SSLContext, user: Mapping[str, Any]) -> None:
    certificate, key = _data(user, "client-certificate"), _data(user, "client-key")
    if not certificate:
        return
    # OpenSSL reads certificates from files only.
    descriptor, name = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(certificate + b"\n" + key)
        trust.load_cert_chain(name)
    finally:
        Path(name).unlink()
