"""An answer that ends when nobody waits for it any more."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from modelyard_server.batching.jobs import ClientGoneError, Receive

T = TypeVar("T")


async def watched(work: Coroutine[None, None, T], receive: Receive | None) -> T:
    """The result of `work`, unless the client closes its connection first. Raises ClientGoneError."""
    if receive is None:
        return await work
    task = asyncio.ensure_future(work)
    watcher = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGoneError
        return task.result()
    finally:
        for one in (task, watcher):
            one.cancel()
        await asyncio.gather(task, watcher, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
