"""An app that is made when it is first asked for: half of a second and 20 MB that most pods never need."""

import asyncio
import gc
from collections.abc import Callable

from modelyard_server.batching.jobs import Receive
from modelyard_server.web.body import Scope
from modelyard_server.web.inference import Handler, Send


class Later:
    """Stands for an app; whoever comes while it is made waits for it."""

    def __init__(self, make: Callable[[], Handler]) -> None:
        self._make = make
        self._made: asyncio.Task[Handler] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make it, on a thread beside the loop, and pass on."""
        if self._made is None:
            self._made = asyncio.get_running_loop().create_task(asyncio.to_thread(self._frozen))
        app = await asyncio.shield(self._made)
        await app(scope, receive, send)

    def _frozen(self) -> Handler:
        """What it holds is kept for good, and never walked by the garbage collection."""
        made = self._make()
        gc.freeze()
        return made
