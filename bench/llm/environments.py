"""An environment for each foreign peer, beside those of the model server's peers: of Python, or of Node."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

from bench.llm.peers import Peer
from bench.model_server import environments as servers
from bench.model_server.environments import cache, installed

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements"
NODE = "llama"
"""The environment of Node; all others are of Python."""
WITHIN = 300.0
"""Seconds for npm to bring what is built already; nothing is compiled."""


def prepare(peer: Peer) -> Path:
    """The folder of a peer's programs, of Node the one that holds node_modules. Raises RuntimeError."""
    if not peer.environment:
        return Path(sys.executable).parent
    folder = cache().parent / "llm" / peer.environment
    if peer.environment == NODE:
        return _node(HERE / "llama", folder)
    return installed(REQUIREMENTS / f"{peer.environment}.txt", folder, sys.executable)


def version(peer: Peer, programs: Path) -> str:
    """What is installed."""
    if peer.environment != NODE:
        return servers.version(peer.package, programs)
    found = json.loads((programs / "node_modules" / peer.package / "package.json").read_text())
    return str(found["version"])


def _node(source: Path, folder: Path) -> Path:
    """Packages as they are pinned, with their prebuilt library and without their scripts."""
    if shutil.which("npm") is None:
        raise RuntimeError("npm is missing: install Node 20 or newer")
    lock = source / "package-lock.json"
    stamp, digest = folder / "package-lock.sha256", hashlib.sha256(lock.read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == digest):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", lock.name):
            shutil.copyfile(source / name, folder / name)
        # Not `npm ci`: it insists on the libraries of all other systems, of which a mirror may have none.
        command = ["npm", "install", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=folder, check=True, timeout=WITHIN)
        stamp.write_text(digest)
    return folder
