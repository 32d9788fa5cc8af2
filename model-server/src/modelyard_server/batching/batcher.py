"""The bounded queue in front of the model. All of its state lives on the event loop, so it needs no lock."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from math import inf
from typing import TypeVar

from modelyard_server.batching import execution, policy
from modelyard_server.batching.execution import Arrays, Outcome, Predict
from modelyard_server.batching.jobs import ClientGoneError, Job, Receive, key_of
from modelyard_server.batching.limits import Limits, Observer, Prepare
from modelyard_server.batching.worker import Worker
from modelyard_server.errors import (
    BodyTooLargeError,
    DeadlineExceededError,
    InferenceError,
    NotReadyError,
    OverloadedError,
)
from modelyard_server.passages import Passage, Passed

TICK = 0.1
"""Seconds between looks at a queue that is not moving: deadlines, and clients that went away."""
AWAY = 0.001
"""Seconds between looks of what lets requests go first."""
T = TypeVar("T")
FAILED = "the inference thread has died; the server is about to restart"


class Batcher:
    """Takes requests, runs them in batches on the worker, one batch at a time."""

    def __init__(
        self, worker: Worker, predict: Predict, limits: Limits, observer: Observer, prepare: Prepare | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._worker = worker
        self._predict = predict
        self._prepare = prepare
        self._ragged = prepare.ragged if prepare is not None else frozenset()
        self._limits = limits
        self._observer = observer
        self._queue: deque[Job] = deque()
        self._busy = False
        self._scheduled = False
        self._delay: asyncio.TimerHandle | None = None
        self._ticking = False
        self._closed = ""
        self._next_deadline = inf
        self.queued_rows = 0

    def submit(
        self,
        inputs: Arrays,
        rows: int,
        receive: Receive | None = None,
        timeout: float | None = None,
        passed: Passed | None = None,
    ) -> asyncio.Future[Arrays]:
        """Queue a request; its future gives the outputs.

        `receive` (ASGI) tells when the client has gone. `timeout` is the client's own limit, in seconds, of the time
        in the queue; the server's limit holds as well. `passed` is told the times of a request that has run.
        """
        if self._closed:
            self._observer.rejected("draining")
            raise NotReadyError(self._closed)
        if not self._worker.alive:
            self._observer.rejected("failed")
            raise NotReadyError(FAILED)
        if rows > self._limits.max_queue_rows:
            self._observer.rejected("too_large")
            raise BodyTooLargeError(f"request has {rows} rows; at most {self._limits.max_queue_rows} are taken at once")
        if not policy.fits(self.queued_rows, rows, self._limits.max_queue_rows):
            self._observer.rejected("queue_full")
            raise OverloadedError(
                f"queue holds {self.queued_rows} of {self._limits.max_queue_rows} rows; try again later"
            )
        limit = self._limits.queue_timeout
        if timeout is not None and timeout < limit:
            limit = timeout
            if limit < TICK:
                self._loop.call_later(limit, self._expire_now)
        now = time.monotonic()
        job = Job(inputs, rows, key_of(inputs, self._ragged), (now, now + limit))
        job.receive = receive
        job.passed = passed
        self._next_deadline = min(self._next_deadline, job.deadline)
        self._queue.append(job)
        self.queued_rows += rows
        self._schedule()
        return job.future

    def withdraw(self, future: asyncio.Future[Arrays]) -> None:
        """Free the place of a request whose caller has gone; one that runs already is left to finish."""
        for job in self._queue:
            if job.future is future:
                self._queue.remove(job)
                self.queued_rows -= job.rows
                self._resolve(job, ClientGoneError())
                return

    async def when_idle(self, call: Callable[[], T]) -> T:
        """Run something on the inference thread when no request waits. Raises DeadlineExceededError, NotReadyError."""
        end = self._loop.time() + self._limits.queue_timeout
        while self._queue or self._busy:
            if self._loop.time() > end:
                raise DeadlineExceededError("the model is busy with predictions; try again later")
            await asyncio.sleep(AWAY)
        if self._closed or not self._worker.alive:
            raise NotReadyError(self._closed or FAILED)
        return await self._worker.call(call)

    def close(self, message: str) -> None:
        """Refuse what still waits and what still comes: the drain time is over."""
        self._closed = message
        self._drop_all("draining", message)

    def _schedule(self) -> None:
        """Run the dispatcher after the loop has read what has arrived already, so that it joins the batch."""
        if self._delay is not None and self.queued_rows >= self._limits.max_batch_rows:
            self._delay.cancel()
            self._delay = None
        if not (self._busy or self._scheduled or self._delay):
            self._scheduled = True
            self._loop.call_soon(self._dispatch)
        if not self._ticking:
            self._ticking = True
            self._loop.call_later(TICK, self._tick)

    def _dispatch(self) -> None:
        self._scheduled = False
        self._delay = None
        if self._busy:
            return
        if not self._worker.alive:
            self._drop_all("failed", FAILED)
            return
        now = time.monotonic()
        self._expire(now)
        if not self._queue:
            return
        limits = self._limits
        if limits.max_batch_delay:
            wait = policy.seconds_to_wait(self._queue, now, limits.max_batch_delay, limits.max_batch_rows)
            if wait > 0:
                self._delay = self._loop.call_later(wait, self._dispatch)
                return
        jobs = policy.take_batch(self._queue, limits.max_batch_rows)
        rows = [job.rows for job in jobs]
        self.queued_rows -= sum(rows)
        self._busy = True
        self._worker.submit(lambda: self._run(jobs, rows), lambda result: self._complete(jobs, now, result))

    def _run(self, jobs: list[Job], rows: list[int]) -> tuple[list[Outcome], float, float]:
        started = time.monotonic()
        requests = [job.inputs for job in jobs]
        outcomes = execution.run(self._predict, requests, rows, self._limits.max_batch_rows, self._prepare)
        return outcomes, started, time.monotonic()

    def _complete(
        self, jobs: list[Job], started: float, result: tuple[list[Outcome], float, float] | BaseException
    ) -> None:
        self._busy = False
        if isinstance(result, BaseException):
            outcomes: list[Outcome] = [InferenceError("the inference worker failed") for _ in jobs]
        else:
            outcomes, began, done = result
            rows = sum(job.rows for job in jobs)
            self._observer.batch(rows, done - began, [started - job.enqueued for job in jobs])
            for job in jobs:
                if job.passed is not None:
                    job.passed(Passage(job.enqueued, started, began, done, rows, len(jobs)))
        for job, outcome in zip(jobs, outcomes, strict=True):
            self._resolve(job, outcome)
        if self._queue and not self._scheduled:
            self._dispatch()

    def _resolve(self, job: Job, outcome: Outcome | Exception) -> None:
        if job.watcher is not None:
            job.watcher.cancel()
        if job.future.done():
            return
        if isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)

    def _drop(self, job: Job, reason: str, error: Exception) -> None:
        """Finish a request that has left the queue without being run."""
        self.queued_rows -= job.rows
        self._observer.rejected(reason)
        self._resolve(job, error)

    def _drop_all(self, reason: str, message: str) -> None:
        while self._queue:
            self._drop(self._queue.popleft(), reason, NotReadyError(message))

    def _expire_now(self) -> None:
        self._expire(time.monotonic())

    def _expire(self, now: float) -> None:
        """Drop what is too late. The next deadline may belong to a request that has left; then one look is in vain."""
        if now < self._next_deadline:
            return
        for job in policy.take_expired(self._queue, now):
            limit = job.deadline - job.enqueued
            message = f"waited {limit:.3g} s in the queue, which is its limit; the model is overloaded"
            self._drop(job, "timeout", DeadlineExceededError(message))
        self._next_deadline = policy.earliest_deadline(self._queue)

    def _tick(self) -> None:
        """Deadlines pass and clients leave even while one long batch runs."""
        self._expire(time.monotonic())
        for job in self._queue:
            if job.watcher is None and job.receive is not None:
                job.watcher = self._loop.create_task(self._watch(job, job.receive))
        self._ticking = bool(self._queue)
        if self._ticking:
            self._loop.call_later(TICK, self._tick)

    async def _watch(self, job: Job, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        job.watcher = None
        self.withdraw(job.future)
        self._resolve(job, ClientGoneError())
