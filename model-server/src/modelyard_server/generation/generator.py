"""The event loop's side of generation: a bounded queue, one step after the other on the inference thread, and each
new token to the request that waits for it. All state lives on the loop, so it needs no lock.

At most one step of a model is on the inference thread, and the next is queued behind what other models want there:
models take turns.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from functools import cached_property
from math import inf

from modelyard_server.batching.worker import Worker
from modelyard_server.errors import (
    DeadlineExceededError,
    InferenceError,
    NotReadyError,
    OverloadedError,
)
from modelyard_server.generation import planner, runner
from modelyard_server.generation.chunks import Chunk
from modelyard_server.generation.constraints import Grammars
from modelyard_server.generation.generation import Generation
from modelyard_server.generation.limits import Limits, Observer
from modelyard_server.generation.model import Decoding
from modelyard_server.generation.planner import Slot, Work
from modelyard_server.generation.requests import Chosen, Request
from modelyard_server.generation.runner import Copy, Outcome, Step
from modelyard_server.passages import Passed

TICK = 0.1
"""Seconds between looks at the deadlines of those that wait."""
FAILED = "the inference thread has died; the server is about to restart"
log = logging.getLogger(__name__)


class Generator:
    """Takes requests and runs them together, token by token."""

    def __init__(self, worker: Worker, model: Decoding, limits: Limits, observer: Observer) -> None:
        self._loop = asyncio.get_running_loop()
        self._worker = worker
        self.model = model
        self.limits = limits
        self._observer = observer
        self.slots = [Slot() for _ in range(model.slots)]
        self._waiting: deque[Generation] = deque()
        self._running: list[Generation] = []
        self._busy = False
        self._scheduled = False
        self._ticking = False
        self._steps = 0
        self._orders = 0
        self._closed = ""

    @cached_property
    def grammars(self) -> Grammars:
        """Constraints on this model's answers."""
        return Grammars(self.model.tokenizer.document, self.model.tokenizer.size, self.model.end_tokens)

    @property
    def waiting(self) -> int:
        """Answers that wait for a slot."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Answers that have a slot."""
        return len(self._running)

    @property
    def cache_usage(self) -> float:
        """Share of the cache's places that running sequences hold, 0 to 1."""
        held = sum(len(slot.tokens) for slot in self.slots if slot.busy)
        return held / (len(self.slots) * self.limits.context)

    def submit(self, requests: Sequence[Request]) -> list[Generation]:
        """Queue all answers of one call, or none. Raises RequestError."""
        if self._closed:
            raise NotReadyError(self._closed)
        if not self._worker.alive:
            raise NotReadyError(FAILED)
        for request in requests:
            self.limits.check(request)
        free = len(self.slots) - len(self._running)
        if len(self._waiting) + len(requests) > self.limits.max_waiting + max(free, 0):
            self._observer.rejected("queue_full")
            raise OverloadedError(
                f"{len(self._waiting)} answers wait for a slot, at most {self.limits.max_waiting} may; try again later"
            )
        now = time.monotonic()
        made = [self._generation(request, now) for request in requests]
        self._waiting.extend(made)
        self._schedule()
        return made

    def cancel(self, generation: Generation) -> None:
        """Nobody waits for it any more: its slot is free from the next step on."""
        generation.cancelled = True
        if generation in self._waiting:
            self._waiting.remove(generation)
        self._schedule()

    def leave(self, generations: Sequence[Generation], passed: Passed | None) -> None:
        """Nobody reads these any more, whether they are done or not; `passed` is told how they went."""
        for generation in generations:
            self.cancel(generation)
            if passed is not None:
                passed(generation.passage())

    def close(self, message: str) -> None:
        """End what waits and what runs, and refuse what still comes: the drain time is over."""
        self._closed = message
        for generation in (*self._waiting, *self._running):
            self._observer.rejected("draining")
            generation.fail(NotReadyError(message))
        self._waiting.clear()

    def _generation(self, request: Request, now: float) -> Generation:
        self._orders += 1
        room = self.limits.context - len(request.prompt)
        generation = Generation(self._orders, request, self.model.tokenizer.decode, min(request.max_tokens, room))
        generation.arrived = now
        generation.queue_deadline = now + self.limits.queue_timeout
        generation.deadline = now + request.timeout if request.timeout is not None else inf
        return generation

    def _schedule(self) -> None:
        """Plan after the loop has read what has arrived already."""
        if not (self._busy or self._scheduled):
            self._scheduled = True
            self._loop.call_soon(self._next)
        if not self._ticking and self._waiting:
            self._ticking = True
            self._loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        """Deadlines pass even while one long step runs."""
        self._expire(time.monotonic())
        self._ticking = bool(self._waiting)
        if self._ticking:
            self._loop.call_later(TICK, self._tick)

    def _next(self) -> None:
        self._scheduled = False
        if self._busy:
            return
        if not self._worker.alive:
            for generation in (*self._waiting, *self._running):
                generation.fail(NotReadyError(FAILED))
            self._waiting.clear()
            return
        self._expire(time.monotonic())
        self._leave()
        copies = self._admit()
        works = planner.schedule(self._running, self.slots, self.limits.max_step_tokens)
        if not works:
            return
        by_order = {generation.order: generation for generation in self._running}
        step = self._step(copies, works, by_order)
        self._busy = True
        network = self.model.network
        self._worker.submit(lambda: runner.run(network, step), lambda result: self._complete(works, by_order, result))

    def _expire(self, now: float) -> None:
        for generation in [one for one in self._waiting if min(one.queue_deadline, one.deadline) <= now]:
            self._waiting.remove(generation)
            self._observer.rejected("timeout")
            generation.fail(DeadlineExceededError(
                f"waited {now - generation.arrived:.3g} s for a slot, which is its limit; the model is overloaded"
            ))  # fmt: skip
        for generation in self._running:
            if generation.deadline <= now and not generation.done:
                message = f"not complete after {now - generation.arrived:.3g} s, the time that the request gave"
                generation.fail(DeadlineExceededError(message))

    def _leave(self) -> None:
        """Free the slots of those that are done; what these hold stays for prompts that begin alike."""
        for generation in [one for one in self._running if one.done or one.cancelled]:
            self._running.remove(generation)
            self.slots[generation.slot].busy = False

    def _admit(self) -> list[Copy]:
        admitted = planner.admit(self._waiting, self._running, self.slots)
        by_order = {generation.order: generation for generation in self._waiting}
        now = time.monotonic()
        copies = []
        for one in admitted:
            generation = by_order[one.order]
            self._waiting.remove(generation)
            self._running.append(generation)
            generation.begin(one.slot, one.cached, now)
            self.slots[one.slot] = Slot(list(generation.tokens[: one.cached]), busy=True, used=self._steps)
            if one.source != one.slot:
                copies.append(Copy(one.source, one.slot, one.cached))
            self._observer.started(now - generation.arrived, len(generation.request.prompt), one.cached)
        return copies

    def _step(self, copies: list[Copy], works: list[Work], by_order: dict[int, Generation]) -> Step:
        chunks, draws = [], []
        for work in works:
            generation = by_order[work.order]
            chunks.append(Chunk(work.slot, work.start, generation.tokens[work.start : work.start + work.count]))
            draws.append(generation.draw() if work.last else None)
        return Step(tuple(copies), tuple(chunks), tuple(draws))

    def _complete(self, works: list[Work], by_order: dict[int, Generation], result: Outcome | BaseException) -> None:
        self._busy = False
        self._steps += 1
        if isinstance(result, BaseException):
            self._fail_all(result)
        else:
            self._observer.step(sum(work.count for work in works), result.seconds)
            now = time.monotonic()
            for work, token in zip(works, result.tokens, strict=True):
                self._advance(work, by_order[work.order], token, now)
        self._next()

    def _advance(self, work: Work, generation: Generation, token: Chosen | Exception | None, now: float) -> None:
        slot = self.slots[work.slot]
        slot.tokens += generation.tokens[work.start : work.start + work.count]
        slot.used = self._steps
        if isinstance(token, Exception):
            log.warning("sampling failed", exc_info=token)
            generation.fail(InferenceError(f"the model failed on this input: {type(token).__name__}: {token}"))
        elif token is not None and not generation.done:
            if generation.usage.generated:
                self._observer.token(now - generation.last_token)
            else:
                self._observer.first_token(now - generation.arrived)
                generation.first_token = now
            generation.last_token = now
            generation.add(token, ended=token.token in self.model.end_tokens)

    def _fail_all(self, error: BaseException) -> None:
        """A step that fails says nothing about whose fault it was; its slots may be half written."""
        log.error("a generation step failed", exc_info=error)
        for generation in self._running:
            self.slots[generation.slot].tokens = []
            generation.fail(InferenceError("the model failed in a step of this answer"))
