"""The fake API server as a process of its own, over real HTTP, for benchmarks:

PYTHONPATH=tests:operator/src python -m faults.server --port 8001 [--world]
"""

import argparse
import asyncio
import random
import uuid
from datetime import UTC, datetime

import uvloop

from .api.front import Front, Interference
from .api.storage import Storage
from .api.verbs import Verbs
from .world import World


def _now() -> datetime:
    return datetime.now(UTC)


async def serve(port: int, *, world: bool = False) -> asyncio.Server:
    """Accept connections on loopback; with `world`, Deployments get pods and pods become ready."""
    verbs = Verbs(Storage(), lambda: str(uuid.uuid4()), lambda: _now().strftime("%Y-%m-%dT%H:%M:%SZ"))
    loop = asyncio.get_running_loop()
    if world:
        World(verbs, loop.call_later, _now, random.Random())
    front = Front(verbs, Interference(), lambda _request: "somebody")
    return await loop.create_server(front.server(), "127.0.0.1", port)


async def _forever(port: int, *, world: bool) -> None:
    server = await serve(port, world=world)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until it is killed."""
    parser = argparse.ArgumentParser(prog="faults.server", description="A fake Kubernetes API server for benchmarks.")
    parser.add_argument("--port", type=int, default=0, help="port on loopback; a free one when 0")
    parser.add_argument("--world", action="store_true", help="play controller manager, scheduler and kubelet")
    arguments = parser.parse_args()
    uvloop.run(_forever(arguments.port, world=arguments.world))


if __name__ == "__main__":
    main()
