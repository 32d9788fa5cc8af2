"""`python -m bench.control_plane.bare_watch SERVER PKI PATH…`: reads watches as the operator does, and does nothing.

What it costs is what the HTTP library and TLS cost; the operator cannot cost less.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import uvloop

from bench.control_plane.load import context

BEGUN = b"watching\n"


@contextmanager
def watching(server: str, pki: Path, paths: Sequence[str]) -> Iterator[int]:
    """A process that reads these watches; its pid."""
    command = [sys.executable, "-m", "bench.control_plane.bare_watch", server, str(pki), *paths]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={"PATH": os.environ["PATH"]}) as process:
        try:
            if process.stdout is None or process.stdout.readline() != BEGUN:
                raise RuntimeError("the bare watch ended before it began")
            yield process.pid
        finally:
            process.terminate()


async def _main(server: str, pki: Path, paths: Sequence[str]) -> None:
    connector = aiohttp.TCPConnector(ssl=context(pki))
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        answers = [await session.get(server + path, params={"watch": "1"}) for path in paths]
        sys.stdout.buffer.write(BEGUN)
        sys.stdout.buffer.flush()
        await asyncio.gather(*(_read(one) for one in answers))


async def _read(answer: aiohttp.ClientResponse) -> None:
    async for chunk in answer.content.iter_any():
        chunk.split(b"\n")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]))
