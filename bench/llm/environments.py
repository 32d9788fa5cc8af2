"""A Python environment for each foreign peer, from pinned requirements with hashes, kept in the tools' cache.

llama-cpp-python is compiled from its source, which takes minutes.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from bench.llm.peers import Peer
from bench.model_server.environments import cache

REQUIREMENTS = Path(__file__).parent / "requirements"


def prepare(peer: Peer) -> Path:
    """The folder of a peer's programs; made when it is not there or its requirements have changed."""
    if not peer.environment:
        return Path(sys.executable).parent
    requirements = REQUIREMENTS / f"{peer.environment}.txt"
    folder = cache().parent / "llm" / peer.environment
    stamp = folder / "requirements.sha256"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == digest):
        uv = Path(sys.executable).parent / "uv"
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        python = folder / "bin" / "python"
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "sync", "-q", "--require-hashes", "--python", python, requirements], check=True)
        stamp.write_text(digest)
    return folder / "bin"


def version(peer: Peer, programs: Path) -> str:
    """What is installed."""
    code = f"import importlib.metadata as found; print(found.version({peer.package!r}))"
    done = subprocess.run([programs / "python", "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "0.1.0"
