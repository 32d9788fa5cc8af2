"""A kubeconfig -> credentials: tokens, token files, client certificates and exec plugins.

Source: k8s.io/client-go/tools/clientcmd, and client.authentication.k8s.io/v1 for plugins.
"""

import base64
import os
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from .credentials import SERVICE_ACCOUNT, Credentials, CredentialsError, in_cluster

PLUGIN_SECONDS = 60
_PLUGIN_API = "client.authentication.k8s.io/v1"

Section = Mapping[str, Any]


class _PluginStatus(Struct, frozen=True, rename="camel"):
    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""


class _PluginAnswer(Struct, frozen=True):
    status: _PluginStatus = _PluginStatus()


def load(environment: Mapping[str, str]) -> Credentials:
    """Credentials of the pod's service account, else of the kubeconfig that KUBECONFIG names."""
    if "KUBERNETES_SERVICE_HOST" in environment and (SERVICE_ACCOUNT / "token").exists():
        return in_cluster(environment)
    path = Path(environment.get("KUBECONFIG") or Path.home() / ".kube" / "config")
    if not path.exists():
        raise CredentialsError(f"no service account at {SERVICE_ACCOUNT} and no kubeconfig at {path}: set KUBECONFIG")
    try:
        return from_file(path, environment)
    except (KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise CredentialsError(f"{path} is not a kubeconfig: {type(error).__name__} {error}") from error
    except (OSError, ValueError) as error:
        raise CredentialsError(f"{path}: {error}") from error


def from_file(path: Path, environment: Mapping[str, str]) -> Credentials:
    """Credentials of the current context."""
    config = yaml.safe_load(path.read_text())
    context = _named(path, config, "contexts", config.get("current-context", ""))["context"]
    cluster = _named(path, config, "clusters", context["cluster"])["cluster"]
    user = _named(path, config, "users", context["user"]).get("user") or {}
    if "auth-provider" in user:
        raise CredentialsError(f"{path}: auth-provider is not supported; use an exec plugin, a token or a certificate")
    trust = _trust(path, cluster)
    certificate, key = _data(path, user, "client-certificate"), _data(path, user, "client-key")
    plugin, token = None, user.get("token", "")
    if "exec" in user:
        first = _run(path, user["exec"], environment)
        certificate, key = first.client_certificate_data.encode(), first.client_key_data.encode()
        plugin, token = _renewal(path, user["exec"], environment), first.token
    if certificate:
        _present(trust, certificate + b"\n" + key)
    return Credentials(
        server=cluster["server"].rstrip("/"),
        context=trust,
        token=token,
        token_file=path.parent / user["tokenFile"] if "tokenFile" in user else None,
        plugin=plugin,
        namespace=context.get("namespace", "default"),
        read_at=float("-inf"),
    )


def _named(path: Path, config: Section, section: str, name: str) -> Section:
    for entry in config.get(section) or []:
        if entry["name"] == name:
            found: Section = entry
            return found
    raise CredentialsError(f"{path} has no {section[:-1]} named {name!r}")


def _data(path: Path, section: Section, key: str) -> bytes:
    """Content that is given inline or as a file beside the kubeconfig."""
    if f"{key}-data" in section:
        return base64.b64decode(section[f"{key}-data"])
    return (path.parent / section[key]).read_bytes() if key in section else b""


def _trust(path: Path, cluster: Section) -> ssl.SSLContext:
    ca = _data(path, cluster, "certificate-authority")
    trust = ssl.create_default_context(cadata=ca.decode() if ca else None)
    if cluster.get("insecure-skip-tls-verify"):
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
    return trust


def _present(trust: ssl.SSLContext, pem: bytes) -> None:
    """OpenSSL reads certificates from files only."""
    descriptor, name = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
        trust.load_cert_chain(name)
    finally:
        Path(name).unlink()


def _renewal(path: Path, plugin: Section, environment: Mapping[str, str]) -> Callable[[], str]:
    return lambda: _run(path, plugin, environment).token


def _run(path: Path, plugin: Section, environment: Mapping[str, str]) -> _PluginStatus:
    """What the plugin prints; CredentialsError with its own words when it fails."""
    name = plugin["command"]
    # As for kubectl: a name without a slash is sought in PATH, a relative path beside the kubeconfig.
    command = str(path.parent / name) if "/" in name else name
    info = {
        "apiVersion": plugin.get("apiVersion", _PLUGIN_API),
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }
    more = {one["name"]: one["value"] for one in plugin.get("env") or []}
    try:
        done = subprocess.run(
            [command, *(plugin.get("args") or [])],
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PLUGIN_SECONDS,
            env={**environment, **more, "KUBERNETES_EXEC_INFO": msgspec.json.encode(info).decode()},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CredentialsError(f"{path}: exec plugin {name}: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        raise CredentialsError(f"{path}: exec plugin {name} ended with exit code {done.returncode}: {said}")
    try:
        return msgspec.json.decode(done.stdout, type=_PluginAnswer).status
    except msgspec.DecodeError as error:
        # Not what it printed: that may hold a token.
        raise CredentialsError(f"{path}: exec plugin {name} printed no ExecCredential: {error}") from error
