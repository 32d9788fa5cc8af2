"""The number of CPU threads follows from measured predictions."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from modelyard_server.engines import hardware, threads


@pytest.fixture(autouse=True)
def four_cpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    monkeypatch.setattr(hardware, "cpu_share", lambda: 4)
    yield
    torch.set_num_threads(before)


def model(clock: list[float], seconds: Callable[[int], float], monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A prediction that takes `seconds` for a number of threads, on a clock of the test's own."""
    monkeypatch.setattr("modelyard_server.engines.timing.time.perf_counter", lambda: clock[0])

    def predict() -> None:
        clock[0] += seconds(torch.get_num_threads())

    return predict


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        pytest.param(lambda count: 1.0 / count, 4, id="a large model gains"),
        pytest.param(lambda count: 0.00001 * count, 1, id="a small model loses"),
        pytest.param(lambda count: 0.01 if count == 1 else 0.009, 1, id="a small gain is not worth it"),
        pytest.param(lambda count: 0.0009 / count, 1, id="what takes less than a millisecond is left alone"),
    ],
)
def test_threads_are_taken_when_they_pay(
    seconds: Callable[[int], float], chosen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert threads.choose(None, model([0.0], seconds, monkeypatch)) == chosen
    assert torch.get_num_threads() == chosen


def test_the_number_belongs_to_the_calling_thread() -> None:
    threads.use(3)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(threads.use, 2).result()
    assert torch.get_num_threads() == 3


def test_what_is_asked_for_is_not_measured() -> None:
    def predict() -> None:
        raise AssertionError("measured")

    assert (threads.choose(3, predict), torch.get_num_threads()) == (3, 3)
