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
    """The folder of a peer's programs; made when it is not there or its requirements have changed."""
    if peer.name in (ECHO, OURS):
        return Path(sys.executable).parent
    requirements = REQUIREMENTS / f"{peer.name}.txt"
    folder = cache() / peer.name
    stamp = folder / "requirements.sha256"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == digest):
        uv = Path(sys.executable).parent / "uv"
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        python = folder / "bin" / "python"
        subprocess.run([uv, "venv", "-q", "--python", peer.python or sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "sync", "-q", "--require-hashes", "--python", python, requirements], check=True)
        stamp.write_text(digest)
    return folder / "bin"


def version(peer: Peer, programs: Path) -> str:
    """What is installed."""
    code = f"import importlib.metadata as found; print(found.version({peer.package!r}))"
    python = programs / "python"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "0.1.0"
