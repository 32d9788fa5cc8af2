"""What goes wrong between an operator and the API server, drawn by seed from the kinds of fault that a run allows."""

import asyncio
import random
from collections import Counter
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
AFTERWARDS = ("lost-answer", "half-answer", "late-answer")
REQUEST_FAULTS = (*ANSWERS, "slow", "reset", *AFTERWARDS, "hang")
WATCH_FAULTS = ("watch-ends", "watch-gone", "watch-error", "watch-breaks", "watch-silent")
VIEW_FAULTS = ("late", "merged", "deletion-lost")


class Injection(Interference):
    """Faults of one run. Nothing goes wrong until `storm` says what may, nor after `calm`."""

    def __init__(self, storage: Storage, wires: Wires, loop: VirtualLoop, seed: str) -> None:
        self._storage, self._wires, self._loop, self._seed = storage, wires, loop, seed
        self._requests: list[str] = []
        self._watches: list[str] = []
        self._views: list[str] = []
        self._rate = 0.0
        # The token that is accepted; any when empty.
        self.token = ""
        # How many versions a list is behind that may be answered from a cache.
        self.lag = 0
        self.met: dict[str, int] = {}
        self.refused: Callable[[Request], None] = lambda _request: None
        self._open: list[Watch] = []
        self._seen: Counter[str] = Counter()
        # Seconds by which a view may be behind.
        self.delay = 6.0
        # Who was not told of a deletion, of which kind: their next watch fails until they have listed again.
        self._owed: set[tuple[str, str]] = set()

    def storm(self, faults: list[str], rate: float) -> None:
        """From now on each request meets one of these faults with this probability, each watch with a greater one."""
        self._requests = [one for one in faults if one in REQUEST_FAULTS]
        self._watches = [one for one in faults if one in WATCH_FAULTS]
        self._views = [one for one in faults if one in VIEW_FAULTS]
        self._rate = rate
        self._wires.latency = lambda client: self._of("latency", client).random() * 0.2
        self._wires.refuse = lambda client: "reset" in faults and self._of("refuse", client).random() < rate / 2

    def calm(self) -> None:
        """No faults from now on. What a watch has lost by then it learns by an error that makes it list again.

        One that is cut off hears of nothing; the next in its place does.
        """
        self._requests, self._watches, self._rate, self.lag = [], [], 0.0, 0
        self._wires.latency = lambda _client: 0.0
        self._wires.refuse = lambda _client: False
        if self._views:
            self._views = []
            for watch in self._open:
                self._owed.add((watch.client, watch.path))
                watch.fail(410, "too old resource version")

    def shown(self, request: Request) -> int:
        """The version that a list shows. One that does not say resourceVersion=0 is always answered as of now."""
        if not self.lag or request.query.get("resourceVersion") != "0":
            return self._storage.version
        return max(self._storage.floor, self._storage.version - self.lag)

    def _of(self, *what: str) -> random.Random:
        """Chance for the n-th of its kind, whatever else happens meanwhile: some of kopf's requests have no order."""
        name = " ".join(what)
        self._seen[name] += 1
        return random.Random(f"{self._seed} {name} {self._seen[name]}")

    async def before(self, request: Request, connection: Any) -> Answer | None:
        """Refuse, delay or break a request that an operator sends."""
        if not request.client.startswith("operator"):
            return None
        if self.token and request.token != f"Bearer {self.token}":
            return self._count("unauthorized", RefusedError(401, "Unauthorized").answer())
        chance = self._of("before", request.client, request.method, request.path, request.query.get("watch", ""))
        fault = _hit(chance, self._requests, self._rate)
        if request.query.get("watch"):
            return self._count("no-watch", ANSWERS["unavailable"](chance)) if fault else None
        self._owed.discard((request.client, request.path))
        # A delete that names a uid meets a conflict only when it is another object.
        unfit = (*AFTERWARDS, *(("invalid", "conflict") if request.method in ("GET", "DELETE") else ()))
        return await self._meet(fault, request, connection, chance) if fault and fault not in unfit else None

    async def _meet(self, fault: str, request: Request, connection: Any, chance: random.Random) -> Answer | None:
        self.met[fault] = self.met.get(fault, 0) + 1
        if fault in ANSWERS:
            self.refused(request)
            return ANSWERS[fault](chance)
        if fault == "slow":
            await asyncio.sleep(chance.choice((0.2, 2.0, 12.0)))
        elif fault == "reset":
            connection.abort()
            await asyncio.sleep(NEVER)
        elif fault == "hang":
            await asyncio.sleep(NEVER)
        return None

    async def after(self, request: Request, answer: Answer, connection: Any) -> Answer:
        """Lose the answer to a request that took effect."""
        if not request.client.startswith("operator") or connection is None:  # the client has gone
            return answer
        if answer.status >= 400 and request.method != "GET":
            self.refused(request)
        chance = self._of("after", request.client, request.method, request.path)
        losses = [one for one in self._requests if one in AFTERWARDS]
        fault = _hit(chance, losses, self._rate)
        if fault == "lost-answer":
            self.met[fault] = self.met.get(fault, 0) + 1
            if chance.random() < 0.5:
                return ANSWERS["timeout"](chance)
            connection.abort()
            await asyncio.sleep(NEVER)
        elif fault == "half-answer":
            self.met[fault] = self.met.get(fault, 0) + 1
            connection.break_after(chance.randint(1, 400))
        elif fault == "late-answer":
            self.met[fault] = self.met.get(fault, 0) + 1
            await asyncio.sleep(chance.random() * 4)
        return answer

    def opened(self, watch: Watch, connection: Any) -> None:
        """Decide what becomes of a watch."""
        if not watch.client.startswith("operator"):
            return
        self._open = [*(one for one in self._open if not one.ended), watch]
        chance = self._of("watch", watch.client, watch.path)
        debt = (watch.client, watch.path)
        if debt in self._owed:
            watch.fail(410, "too old resource version")
            return
        if self._views:
            lost = partial(self._owed.add, debt)
            watch.pass_on = _View(watch, self._loop, chance, (self._views, self.delay), lost).take
        fault = _hit(chance, self._watches, min(0.6, self._rate * 3))
        if fault is None:
            return
        self.met[fault] = self.met.get(fault, 0) + 1
        after = chance.random() * 20
        if fault == "watch-ends":
            self._loop.call_later(after, watch.end)
        elif fault == "watch-gone":
            self._loop.call_later(after, partial(watch.fail, 410, "too old resource version"))
        elif fault == "watch-error":
            self._loop.call_later(after, partial(watch.fail, 500, "etcd leader changed"))
        elif fault == "watch-breaks":
            connection.break_after(chance.randint(200, 4000))
        else:
            connection.peer.deaf = True

    def _count(self, fault: str, answer: Answer) -> Answer:
        self.met[fault] = self.met.get(fault, 0) + 1
        return answer


def _hit(chance: random.Random, faults: list[str], rate: float) -> str | None:
    return chance.choice(faults) if faults and chance.random() < rate else None


class _View:
    """What a watch sees of events: later, only the last of several, or not that something was deleted."""

    def __init__(
        self,
        watch: Watch,
        loop: VirtualLoop,
        chance: random.Random,
        how: tuple[list[str], float],
        lost: Callable[[], None],
    ) -> None:
        kinds, delay = how
        self._watch, self._loop, self._chance, self._kinds = watch, loop, chance, kinds
        self._tell_lost = lost
        self._held: list[Event] = []
        self._behind = chance.random() * delay if "late" in kinds else 0.0
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
