"""A Python environment for each foreign peer, beside those of the model server's peers.

llama-cpp-python is compiled from its source, which takes minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.llm.peers import Peer
from bench.model_server.environments import cache, installed

REQUIREMENTS = Path(__file__).parent / "requirements"


def prepare(peer: Peer) -> Path:
    """The folder of a peer's programs."""
    if not peer.environment:
        return Path(sys.executable).parent
    requirements = REQUIREMENTS / f"{peer.environment}.txt"
    return installed(requirements, cache().parent / "llm" / peer.environment, sys.executable)
