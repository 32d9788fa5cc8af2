"""Bring a pushed image into containerd ahead of its first pod, while other images are still being built."""

from __future__ import annotations

from pathlib import Path

from .commands import run


def ensure(socket: Path, reference: str) -> str:
    """Pull an image from the local registry unless the node has it; return what was done."""
    images = ["ctr", "--address", str(socket), "--namespace", "k8s.io", "images"]
    if run([*images, "list", "--quiet", f"name=={reference}"]).strip():
        return ""
    run([*images, "pull", "--plain-http", reference])
    return "on the node"
