"""Event loops without time of their own: one loop for each machine, one clock for all, and it jumps.

A machine that is killed is a loop that never takes another turn; one that is frozen (SIGSTOP) takes none until it is
thawed, while the clock goes on. Neither needs the help of what runs in it.
"""

import asyncio
import contextlib
import contextvars
import heapq
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

# So many turns without the clock moving are a loop that spins.
SPINNING = 100_000


class Network(Protocol):
    """What a machine needs to reach the API server."""

    async def connect(self, loop: "VirtualLoop", factory: Callable[[], Any]) -> tuple[Any, Any]:
        """A transport and its protocol."""
        ...


class _NeverWaits:
    """A selector that has nothing to watch."""

    def select(self, timeout: float | None) -> list[Any]:  # noqa: ARG002 - a selector's signature
        """No events, at once."""
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """The event loop of one machine."""

    def __init__(self, universe: "Universe", name: str) -> None:
        super().__init__()
        self._selector = _NeverWaits()
        self._universe = universe
        self.name = name
        # Tasks that fail while nobody waits for them are kopf's; asyncio would print each.
        self.set_exception_handler(lambda _loop, _context: None)
        self.frozen = False
        # Called when the loop is buried: to close what would complain of having been left open.
        self.mourners: list[Callable[[], None]] = []
        self.network: Network | None = None

    def time(self) -> float:
        """The virtual time."""
        return self._universe.now

    def due(self) -> float:
        """When it has something to do next."""
        if self._ready:  # type: ignore[attr-defined]
            return self._universe.now
        scheduled = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
        return scheduled[0].when() if scheduled else float("inf")

    def turn(self) -> None:
        """Run what is ready, once, without waiting."""
        self.stop()
        self.run_forever()

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> Any:
        """As any loop, but for kopf's last resort: ten minutes after its end it kills the process, which is ours."""
        if callback is signal.pthread_kill:
            callback, args = (lambda: None), ()
        return super().call_later(delay, callback, *args, context=context)

    def add_signal_handler(self, *_: Any) -> None:  # type: ignore[override]
        """A machine gets no signals; it is told, killed or frozen."""

    def remove_signal_handler(self, sig: int) -> bool:  # noqa: ARG002 - a loop's signature
        """Nothing was added."""
        return False

    async def create_unix_connection(self, protocol_factory: Callable[[], Any], *_: Any, **__: Any) -> tuple[Any, Any]:
        """Every connection leads to the API server."""
        assert self.network is not None
        return await self.network.connect(self, protocol_factory)

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def bury(self) -> None:
        """Let what still runs end without anybody noticing; nothing may be left that warns at its end."""
        self.frozen = False
        for _ in range(20):
            tasks = asyncio.all_tasks(self)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            while self.due() <= self.time():
                self.turn()
        for mourner in self.mourners:
            mourner()
        with contextlib.suppress(RuntimeError):
            self.run_until_complete(self.shutdown_asyncgens())
        self.close()


class Universe:
    """All machines and their clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.loops: list[VirtualLoop] = []
        self._dead: list[VirtualLoop] = []

    def machine(self, name: str) -> VirtualLoop:
        """A new machine."""
        loop = VirtualLoop(self, name)
        self.loops.append(loop)
        return loop

    def spawn(self, loop: VirtualLoop, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run a coroutine on a machine."""
        return loop.create_task(coroutine, context=contextvars.copy_context())

    def kill(self, loop: VirtualLoop) -> None:
        """It takes no turn any more."""
        if loop in self.loops:
            self.loops.remove(loop)
            self._dead.append(loop)

    def run(self, seconds: float, done: Callable[[], bool] | None = None) -> bool:
        """Let time pass, at most so much; True as soon as everybody waits and `done` says so."""
        until, turns = self.now + seconds, 0
        while True:
            awake = [loop for loop in self.loops if not loop.frozen and loop.due() <= self.now]
            if awake:
                for loop in awake:
                    # A machine may kill or freeze another in its turn.
                    if not loop.frozen and loop in self.loops:
                        loop.turn()
                turns += 1
                if turns > SPINNING:
                    raise SpinningError(f"{[one.name for one in awake]} never wait at {self.now:.3f} s")
                continue
            if done is not None and done():
                return True
            upcoming = min((loop.due() for loop in self.loops if not loop.frozen), default=until)
            if upcoming > until:
                self.now = until
                return False
            self.now, turns = max(self.now, upcoming), 0

    def close(self) -> None:
        """End all machines."""
        for loop in [*self.loops, *self._dead]:
            loop.bury()
        self.loops, self._dead = [], []


class SpinningError(Exception):
    """A machine works for ever at one moment."""
