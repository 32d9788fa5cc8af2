"""A Python environment for each peer, from pinned requirements with hashes, kept in the tools' cache.

torch is several gigabytes; uv links the same files into all environments of one disk.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.model_server.peers import ECHO, OURS, Peer

REQUIREMENTS = Path(__file__).parent / "requirements"


def cache() -> Path:
    """Where built tools live."""
    return Path(os.environ.get("MODELYARD_CACHE") or Path.home() / ".cache" / "modelyard") / "peers"


def prepare(peer: Peer) -> Path:
    """The folder of a peer's programs."""
    if peer.name in (ECHO, OURS):
        return Path(sys.executable).parent
    return installed(REQUIREMENTS / f"{peer.name}.txt", cache() / peer.name, peer.python or sys.executable)


def installed(requirements: Path, folder: Path, python: str) -> Path:
    """Programs of an environment; made when it is not there or its requirements have changed."""
    stamp = folder / "requirements.sha256"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == digest):
        uv = Path(sys.executable).parent / "uv"
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        target = folder / "bin" / "python"
        subprocess.run([uv, "venv", "-q", "--python", python, folder], check=True)
        subprocess.run([uv, "pip", "sync", "-q", "--require-hashes", "--python", target, requirements], check=True)
        stamp.write_text(digest)
    return folder / "bin"


def version(package: str, programs: Path) -> str:
    """What is installed."""
    code = f"import importlib.metadata as found; print(found.version({package!r}))"
    python = programs / "python"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "0.1.0"
