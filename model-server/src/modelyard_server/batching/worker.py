"""The one inference thread: it warms up every model and runs every batch, so that torch sees a single thread.

Each model has at most one batch here at a time and queues the next one when that is done, so that models with work
take turns."""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
Deliver = Callable[[T | BaseException], None]
log = logging.getLogger(__name__)


class Worker:
    """Runs callables in order and delivers each result on the event loop; `died` is called there, too."""

    def __init__(self, loop: asyncio.AbstractEventLoop, died: Callable[[], None], *, name: str = "inference") -> None:
        self._loop = loop
        self._on_death = died
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._died = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """False once the thread has died; liveness reports it, since no request can be answered then."""
        return self._thread.is_alive() and not self._died

    def submit(self, call: Callable[[], T], deliver: Deliver[T]) -> None:
        """Queue `call`; `deliver` gets its result or exception on the event loop."""

        def task() -> None:
            try:
                result: T | BaseException = call()
            except Exception as error:  # noqa: BLE001 (delivered, not swallowed)
                result = error
            except BaseException as error:
                log.critical("the inference thread has died", exc_info=error)
                self._died = True
                self._on_loop(self._on_death)
                result = error
            self._on_loop(deliver, result)

        self._inbox.put(task)

    async def call(self, call: Callable[[], T]) -> T:
        """Run one callable and wait for its result."""
        future: asyncio.Future[T] = self._loop.create_future()

        def deliver(result: T | BaseException) -> None:
            if future.done():
                return
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

        self.submit(call, deliver)
        return await future

    def stop(self) -> None:
        """Let the thread end after what is queued."""
        self._inbox.put(None)

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(call, *arguments)

    def _run(self) -> None:
        while (task := self._inbox.get()) is not None:
            task()
            if self._died:
                return
            task = None  # else the thread keeps a batch, and its model, until the next one
