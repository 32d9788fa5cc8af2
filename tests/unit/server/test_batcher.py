"""When the queue hands a batch to the model: at once, when it is full, or when its oldest request has waited enough."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest
import pytest_asyncio

from modelyard_server.batching import batcher as batching
from modelyard_server.batching.batcher import Batcher
from modelyard_server.batching.execution import Arrays
from modelyard_server.batching.jobs import ClientGoneError
from modelyard_server.batching.limits import Limits
from modelyard_server.batching.worker import Worker
from modelyard_server.errors import DeadlineExceededError, InferenceError, NotReadyError
from modelyard_server.metrics import Metrics

HOUR = 3600.0
Start = Callable[[float], Batcher]


class Clock:
    """Stands in for the module `time`."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def perf_counter(self) -> float:
        return self.now


class Model:
    """Gives its inputs back; a batch waits while the gate is shut, and may take the thread with it."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.dies = False
        self.batches: list[int] = []

    def predict(self, inputs: Arrays) -> Arrays:
        self.gate.wait(20)
        if self.dies:
            raise SystemExit
        self.batches.append(len(inputs["x"]))
        return inputs


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(batching, "time", clock)
    return clock


@pytest_asyncio.fixture
async def start(model: Model) -> AsyncIterator[Start]:
    """Make a batcher of four rows a batch with the given delay."""
    worker = Worker(asyncio.get_running_loop(), lambda: None)

    def make(delay: float) -> Batcher:
        return Batcher(worker, model.predict, Limits(4, delay, 64, 10 * HOUR), Metrics().of("m", "1"))

    yield make
    model.gate.set()
    worker.stop()


def submit(batcher: Batcher, rows: int, width: int = 1, timeout: float | None = None) -> asyncio.Future[Arrays]:
    return batcher.submit({"x": np.zeros((rows, width), np.float32)}, rows, timeout=timeout)


async def turn() -> None:
    """Let the event loop run what is due."""
    await asyncio.sleep(0)


async def answered(*requests: Awaitable[Arrays]) -> None:
    async with asyncio.timeout(10):
        await asyncio.gather(*requests)


async def test_an_idle_server_without_a_delay_runs_a_request_at_once(start: Start) -> None:
    batcher = start(0.0)
    request = submit(batcher, 1)
    await turn()
    assert batcher.queued_rows == 0
    await answered(request)


async def test_the_request_that_fills_a_batch_ends_its_delay(start: Start, model: Model) -> None:
    batcher = start(HOUR)
    early = [submit(batcher, 1), submit(batcher, 2)]
    await turn()
    assert batcher.queued_rows == 3
    await answered(*early, submit(batcher, 1))
    assert model.batches == [4]


async def test_rows_of_another_shape_do_not_fill_a_batch(start: Start, model: Model) -> None:
    batcher = start(HOUR)
    first = submit(batcher, 1)
    await turn()
    submit(batcher, 3, width=2)
    await turn()
    assert batcher.queued_rows == 4
    await answered(first, submit(batcher, 3))
    assert model.batches == [4]


async def test_the_delay_begins_with_the_first_request_of_a_batch(start: Start, model: Model, clock: Clock) -> None:
    batcher = start(HOUR)
    model.gate.clear()
    full = submit(batcher, 4)
    await turn()
    behind = submit(batcher, 1)
    clock.now = HOUR
    last = submit(batcher, 1)
    model.gate.set()
    await answered(full, behind, last)
    assert model.batches == [4, 2]


async def test_a_request_after_the_death_of_the_worker_is_refused(start: Start, model: Model) -> None:
    batcher = start(0.0)
    model.dies = True
    with pytest.raises(InferenceError, match="worker failed"):
        await answered(submit(batcher, 1))
    with pytest.raises(NotReadyError, match="inference thread has died"):
        submit(batcher, 1)


async def test_a_deadline_of_its_own_ends_a_request_behind_others(start: Start, model: Model) -> None:
    batcher = start(0.0)
    model.gate.clear()
    running = submit(batcher, 1)
    await turn()
    patient, hasty = submit(batcher, 1), submit(batcher, 2, timeout=0.01)
    with pytest.raises(DeadlineExceededError, match=r"waited 0\.01 s"):
        await answered(hasty)
    assert batcher.queued_rows == 1
    model.gate.set()
    await answered(running, patient)


async def test_a_deadline_beyond_the_servers_limit_changes_nothing(start: Start, clock: Clock) -> None:
    batcher = start(HOUR)
    request = submit(batcher, 1, timeout=1000 * HOUR)
    clock.now = 11 * HOUR
    with pytest.raises(DeadlineExceededError, match=r"waited 3\.6e\+04 s"):
        await answered(request)


async def test_a_withdrawn_request_leaves_its_place(start: Start, model: Model) -> None:
    batcher = start(0.0)
    model.gate.clear()
    running = submit(batcher, 1)
    await turn()
    waiting = submit(batcher, 3)
    batcher.withdraw(waiting)
    batcher.withdraw(running)
    assert batcher.queued_rows == 0
    with pytest.raises(ClientGoneError):
        await answered(waiting)
    model.gate.set()
    await answered(running)
    assert model.batches == [1]


async def test_models_with_work_take_turns(model: Model) -> None:
    worker = Worker(asyncio.get_running_loop(), lambda: None)
    order: list[str] = []

    def batcher(name: str) -> Batcher:
        def predict(inputs: Arrays) -> Arrays:
            order.append(name)
            return model.predict(inputs)

        return Batcher(worker, predict, Limits(1, 0.0, 64, HOUR), Metrics().of(name, "1"))

    model.gate.clear()
    busy, quiet = batcher("busy"), batcher("quiet")
    requests = [submit(busy, 1) for _ in range(4)]
    await turn()
    requests += [submit(quiet, 1) for _ in range(2)]
    await turn()
    model.gate.set()
    await answered(*requests)
    worker.stop()
    assert order == ["busy", "quiet", "busy", "quiet", "busy", "busy"]
