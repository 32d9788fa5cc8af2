"""Kubeconfig files. They are JSON, which every reader of YAML reads."""

from __future__ import annotations

import base64
import json
from pathlib import Path


def render(server: str, authority: bytes, user: dict[str, str]) -> str:
    """Return a kubeconfig with one cluster, one user and one context."""
    cluster = {"server": server, "certificate-authority-data": _encode(authority)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": "local", "user": user}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "local"}}],
        "current-context": "local",
    }
    return json.dumps(document, indent=1) + "\n"


def write_for_certificate(path: Path, server: str, pki: Path, name: str) -> None:
    """Write the kubeconfig of the user whose certificate is `pki/name.crt`."""
    user = {
        "client-certificate-data": _encode((pki / f"{name}.crt").read_bytes()),
        "client-key-data": _encode((pki / f"{name}.key").read_bytes()),
    }
    write_private(path, render(server, (pki / "ca.crt").read_bytes(), user))


def write_for_token(path: Path, server: str, pki: Path, token: str) -> None:
    """Write the kubeconfig of a bearer token."""
    write_private(path, render(server, (pki / "ca.crt").read_bytes(), {"token": token}))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, unless it already says the same."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
