"""The base image: Debian with Python, made by debootstrap, as no image registry is assumed to be reachable.

It stands in for `python:3.13-slim`: the Dockerfiles take it as their build argument BASE.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from .commands import run_logged
from .store import Store

SUITE = "trixie"
PYTHON = "3.13"
PACKAGES = ("ca-certificates", "python3", "python3-venv")
NAME = "localhost/modelyard/python"
_RECIPE = 2
"""Raise it when the steps below change what is in the image."""

_APT_SETTINGS = {
    # An image build that is cut short is thrown away, so nothing is gained by waiting for the disk.
    "etc/dpkg/dpkg.cfg.d/image-build": "force-unsafe-io\n"
    "path-exclude /usr/share/doc/*\npath-exclude /usr/share/man/*\npath-exclude /usr/share/locale/*\n",
    "etc/apt/apt.conf.d/image-build": 'Acquire::Languages "none";\nAPT::Install-Recommends "false";\n',
}
_NO_WAITING = {"DPKG_FORCE": "unsafe-io"}
_DISPENSABLE = ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/man", "usr/share/locale")
_OF_THE_HOST = ("etc/resolv.conf", "etc/hostname")


def key() -> str:
    """Return the hash of what decides the image's content."""
    return hashlib.sha256(repr((_RECIPE, SUITE, PYTHON, PACKAGES)).encode()).hexdigest()[:12]


def reference() -> str:
    """Return the image's name in the local store."""
    return f"{NAME}:{PYTHON}-{key()}"


def build(store: Store, log: Path) -> None:
    """Make the image unless the store has it; MODELYARD_DEBIAN_MIRROR names another mirror than Debian's own."""
    if store.has(reference()):
        return
    with store.container("scratch") as container:
        root = store.mount(container)
        mirror = os.environ.get("MODELYARD_DEBIAN_MIRROR")
        options = ["--variant=minbase", f"--include={','.join(PACKAGES)}"]
        run_logged(["debootstrap", *options, SUITE, root, *([mirror] if mirror else [])], log, env=_NO_WAITING)
        _trim(root)
        for name, text in _APT_SETTINGS.items():
            (root / name).write_text(text)
        store.configure(container, ["--env", "LANG=C.UTF-8", "--cmd", "python3"])
        store.commit(container, reference())


def _trim(root: Path) -> None:
    """Remove caches, documentation, device nodes and what debootstrap copied from this machine."""
    for name in _DISPENSABLE:
        for path in (root / name).glob("*"):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name in _OF_THE_HOST:
        (root / name).unlink(missing_ok=True)
    for path in (root / "dev").iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)
    (root / "usr/bin/python").symlink_to("python3")
