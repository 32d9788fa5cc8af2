"""What goes wrong between an operator and the API server, drawn by seed from the kinds of fault that a run allows."""

import asyncio
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from .api.answers import Answer, RefusedError
from .api.front import Interference
from .api.requests import Request
from .api.storage import Event, Key, Storage
from .api.watching import Watch
from .network import Wires
from .virtual import VirtualLoop

NEVER = 10.0**8
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"

# What a request meets instead of its answer, or after it took effect.
ANSWERS: Mapping[str, Callable[[random.Random], Answer]] = {
    "conflict": lambda _: RefusedError(409, "Operation cannot be fulfilled: the object has been modified").answer(),
    "invalid": lambda _: RefusedError(422, "admission webhook refused the request for now").answer(),
    "throttled": lambda chance: Answer(429, b"{}", {"Retry-After": str(chance.randint(1, 8))}),
    "internal": lambda _: RefusedError(500, "etcdserver: request timed out").answer(),
    "gateway": lambda _: Answer(502, HTML, content_type="text/html"),
    "unavailable": lambda _: RefusedError(503, "apiserver is shutting down").answer(),
    "timeout": lambda _: RefusedError(504, "Timeout: request did not complete within requested timeout").answer(),
    "proxy": lambda _: Answer(200, HTML, content_type="text/html"),
}
REQUEST_FAULTS = (*ANSWERS, "slow", "reset", "lost-answer", "half-answer", "hang")
WATCH_FAULTS = ("watch-ends", "watch-gone", "watch-error", "watch-breaks", "watch-silent")
VIEW_FAULTS = ("late", "merged", "deletion-lost")


class Injection(Interference):
    """Faults of one run. Nothing goes wrong until `storm` says what may, nor after `calm`."""

    def __init__(self, storage: Storage, wires: Wires, loop: VirtualLoop, chance: random.Random) -> None:
        self._storage, self._wires, self._loop, self._chance = storage, wires, loop, chance
        self._requests: list[str] = []
        self._watches: list[str] = []
        self._views: list[str] = []
        self._rate = 0.0
        # The token that is accepted; any when empty.
        self.token = ""
        # How many versions a list is behind, at most.
        self.lag = 0
        self.met: dict[str, int] = {}
        self.refused: Callable[[Request], None] = lambda _request: None
        self._open: set[Watch] = set()
        # Who was not told of a deletion, of which kind: their next watch fails until they have listed again.
        self._owed: set[tuple[str, str]] = set()

    def storm(self, faults: list[str], rate: float) -> None:
        """From now on each request meets one of these faults with this probability, each watch with a greater one."""
        self._requests = [one for one in faults if one in REQUEST_FAULTS]
        self._watches = [one for one in faults if one in WATCH_FAULTS]
        self._views = [one for one in faults if one in VIEW_FAULTS]
        self._rate = rate
        self._wires.latency = lambda: self._chance.random() * 0.2
        self._wires.refuse = lambda: "reset" in faults and self._chance.random() < rate / 2

    def calm(self) -> None:
        """No faults from now on. What a watch has lost by then it learns by an error that makes it list again."""
        self._requests, self._watches, self._rate, self.lag = [], [], 0.0, 0
        self._wires.latency = lambda: 0.0
        self._wires.refuse = lambda: False
        if self._views:
            self._views = []
            for watch in list(self._open):
                watch.fail(410, "too old resource version")

    def shown(self, request: Request) -> int:
        """The version that a list shows: of a member that is behind, when views lag."""
        if not self.lag or not request.client.startswith("operator"):
            return self._storage.version
        return max(self._storage.floor, self._storage.version - self._chance.randint(0, self.lag))

    async def before(self, request: Request, connection: Any) -> Answer | None:
        """Refuse, delay or break a request that an operator sends."""
        if not request.client.startswith("operator"):
            return None
        if not request.query.get("watch"):
            self._owed.discard((request.client, request.path))
        else:
            if self._hit(self._requests, self._rate) is not None:
                return self._count("no-watch", ANSWERS["unavailable"](self._chance))
            return None
        fault = self._hit(self._requests, self._rate)
        if fault is None or fault in ("lost-answer", "half-answer"):
            return None
        if fault in ("invalid", "conflict") and request.method == "GET":
            return None
        return await self._meet(fault, request, connection)

    async def _meet(self, fault: str, request: Request, connection: Any) -> Answer | None:
        self.met[fault] = self.met.get(fault, 0) + 1
        if fault in ANSWERS:
            self.refused(request)
            return ANSWERS[fault](self._chance)
        if fault == "slow":
            await asyncio.sleep(self._chance.choice((0.2, 2.0, 12.0)))
        elif fault == "reset":
            connection.abort()
            await asyncio.sleep(NEVER)
        elif fault == "hang":
            await asyncio.sleep(NEVER)
        return None

    async def after(self, request: Request, answer: Answer, connection: Any) -> Answer:
        """Lose the answer to a request that took effect."""
        if not request.client.startswith("operator"):
            return answer
        if answer.status >= 400 and request.method != "GET":
            self.refused(request)
        fault = self._hit([one for one in self._requests if one in ("lost-answer", "half-answer")], self._rate / 3)
        if fault == "lost-answer":
            self.met[fault] = self.met.get(fault, 0) + 1
            if self._chance.random() < 0.5:
                return ANSWERS["timeout"](self._chance)
            connection.abort()
            await asyncio.sleep(NEVER)
        elif fault == "half-answer":
            self.met[fault] = self.met.get(fault, 0) + 1
            connection.break_after(self._chance.randint(1, 400))
        return answer

    def opened(self, watch: Watch, connection: Any) -> None:
        """Decide what becomes of a watch."""
        if not watch.client.startswith("operator"):
            return
        self._open = {one for one in self._open if not one.ended} | {watch}
        debt = (watch.client, watch.path)
        if debt in self._owed:
            watch.fail(410, "too old resource version")
            return
        if self._views:
            lost = partial(self._owed.add, debt)
            watch.pass_on = _View(watch, self._loop, self._chance, self._views, lost).take
        fault = self._hit(self._watches, min(0.6, self._rate * 3))
        if fault is None:
            return
        self.met[fault] = self.met.get(fault, 0) + 1
        after = self._chance.random() * 20
        if fault == "watch-ends":
            self._loop.call_later(after, watch.end)
        elif fault == "watch-gone":
            self._loop.call_later(after, partial(watch.fail, 410, "too old resource version"))
        elif fault == "watch-error":
            self._loop.call_later(after, partial(watch.fail, 500, "etcd leader changed"))
        elif fault == "watch-breaks":
            connection.break_after(self._chance.randint(200, 4000))
        else:
            connection.peer.deaf = True

    def _hit(self, faults: list[str], rate: float) -> str | None:
        if not faults or self._chance.random() >= rate:
            return None
        return self._chance.choice(faults)

    def _count(self, fault: str, answer: Answer) -> Answer:
        self.met[fault] = self.met.get(fault, 0) + 1
        return answer


class _View:
    """What a watch sees of events: later, only the last of several, or not that something was deleted."""

    def __init__(
        self, watch: Watch, loop: VirtualLoop, chance: random.Random, kinds: list[str], lost: Callable[[], None]
    ) -> None:
        self._watch, self._loop, self._chance, self._kinds = watch, loop, chance, kinds
        self._tell_lost = lost
        self._held: list[Event] = []
        self._behind = chance.random() * 6 if "late" in kinds else 0.0
        self._lost = "deletion-lost" in kinds

    def take(self, event: Event) -> None:
        """Hold an event; what is held is told in the order of its versions."""
        if self._lost and event.after is None and self._chance.random() < 0.5:
            # A compaction fell into a gap between two watches: only a new list tells what is gone.
            self._tell_lost()
            self._loop.call_later(1 + self._chance.random() * 15, self._watch.fail, 410, "too old resource version")
            return
        if not self._held:
            self._loop.call_later(self._behind + self._chance.random() * 0.5, self._release)
        self._held.append(event)

    def _release(self) -> None:
        held, self._held = self._held, []
        last: dict[Key, Event] = {}
        for event in held:
            if "merged" in self._kinds and event.before is not None and event.key in last:
                first = last.pop(event.key)
                if first.before is not None or event.after is not None:
                    last[event.key] = msgspec.structs.replace(event, before=first.before)
            elif "merged" in self._kinds:
                last[event.key] = event
            else:
                self._watch.take(event)
        for event in sorted(last.values(), key=lambda one: one.version):
            self._watch.take(event)
