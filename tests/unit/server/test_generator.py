"""The event loop's side of generation, with a network that counts: the next token is the last one plus one."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import numpy as np
import pytest

from modelyard_server.batching.worker import Worker
from modelyard_server.errors import (
    BadRequestError,
    ContextLengthError,
    DeadlineExceededError,
    InferenceError,
    NotReadyError,
    OverloadedError,
)
from modelyard_server.generation.chunks import Chunk
from modelyard_server.generation.generation import Generation
from modelyard_server.generation.generator import Generator
from modelyard_server.generation.limits import Limits
from modelyard_server.generation.requests import Piece, Request, Sampling
from modelyard_server.protocol.datatypes import Array

VOCABULARY = 128
FAULT, DIES = 1, 2


class Counting:
    """The network. A step with the token FAULT fails; one with DIES ends the thread."""

    def __init__(self) -> None:
        self.steps: list[list[tuple[int, int, int]]] = []
        self.copies: list[tuple[int, int, int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def copy(self, source: int, target: int, tokens: int) -> None:
        self.copies.append((source, target, tokens))

    def scores(self, chunks: Sequence[Chunk], wanted: Sequence[int]) -> Array:
        self.entered.set()
        self.gate.wait(10)
        self.steps.append([(chunk.slot, chunk.start, len(chunk.tokens)) for chunk in chunks])
        if any(FAULT in chunk.tokens for chunk in chunks):
            raise ArithmeticError("overflow")
        if any(DIES in chunk.tokens for chunk in chunks):
            raise SystemExit
        scores = np.zeros((len(wanted), VOCABULARY), np.float32)
        for row, number in enumerate(wanted):
            scores[row, (chunks[number].tokens[-1] + 1) % VOCABULARY] = 9
        return scores


class Letters:
    """Tokens are characters."""

    size = VOCABULARY
    document = ""

    def encode(self, text: str, *, special: bool) -> list[int]:  # noqa: ARG002
        return [ord(letter) for letter in text]

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(chr(token) for token in tokens)

    def piece(self, token: int) -> str:
        return chr(token)


class Model:
    slots, context = 2, 40
    end_tokens = frozenset({ord("z")})
    tokenizer = Letters()
    template = None

    def __init__(self) -> None:
        self.network = Counting()


class Figures:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def started(self, waited: float, prompt: int, cached: int) -> None:  # noqa: ARG002
        self.calls.append(("started", prompt, cached))

    def first_token(self, seconds: float) -> None:  # noqa: ARG002
        self.calls.append(("first",))

    def token(self, seconds: float) -> None:  # noqa: ARG002
        self.calls.append(("token",))

    def step(self, tokens: int, seconds: float) -> None:  # noqa: ARG002
        self.calls.append(("step", tokens))

    def rejected(self, reason: str) -> None:
        self.calls.append(("rejected", reason))


class Bench:
    """A generator with all that it needs."""

    def __init__(self, **limits: Any) -> None:
        self.model, self.figures = Model(), Figures()
        self.worker = Worker(asyncio.get_running_loop(), lambda: None)
        fields: dict[str, Any] = {"max_waiting": 4, "max_step_tokens": 8, "queue_timeout": 5.0, "context": 40} | limits
        self.generator = Generator(self.worker, self.model, Limits(**fields), self.figures)

    def ask(self, text: str, max_tokens: int = 3, **fields: Any) -> Generation:
        prompt = tuple(ord(letter) for letter in text)
        fields.setdefault("sampling", Sampling(temperature=0.0))
        return self.generator.submit([Request(prompt=prompt, max_tokens=max_tokens, **fields)])[0]


Make = Callable[..., Bench]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[Bench] = []

    def build(**limits: Any) -> Bench:
        made.append(Bench(**limits))
        return made[-1]

    yield build
    for bench in made:
        bench.model.network.gate.set()
        bench.worker.stop()


async def read(generation: Generation) -> list[Piece]:
    return [piece async for piece in generation.pieces()]


async def text(generation: Generation) -> str:
    return "".join(piece.text for piece in await read(generation))


async def entered(bench: Bench) -> None:
    """The network computes a step."""
    await asyncio.to_thread(bench.model.network.entered.wait, 10)


async def test_an_answer_comes_token_by_token_and_ends_at_its_limit(make: Make) -> None:
    bench = make()
    pieces = await read(bench.ask("ab"))
    assert [(piece.text, piece.finish) for piece in pieces] == [("c", None), ("d", None), ("e", "length")]
    assert bench.model.network.steps == [[(0, 0, 2)], [(0, 2, 1)], [(0, 3, 1)]]
    assert bench.figures.calls[:3] == [("started", 2, 0), ("step", 2), ("first",)]


async def test_an_end_token_ends_the_answer_and_is_no_text(make: Make) -> None:
    bench = make()
    generation = bench.ask("w", 9)
    pieces = await read(generation)
    assert ("".join(piece.text for piece in pieces), pieces[-1].finish) == ("xy", "stop")
    assert generation.usage.generated == 3
    assert await text(bench.ask("w", 5, ignore_end=True)) == "xyz{|"


async def test_a_stop_text_ends_the_answer(make: Make) -> None:
    pieces = await read(make().ask("a", 9, stop=("de",)))
    assert ("".join(piece.text for piece in pieces), pieces[-1].finish) == ("bc", "stop")


async def test_a_stop_text_that_does_not_come_goes_out_at_the_end(make: Make) -> None:
    assert await text(make().ask("a", 3, stop=("dX",))) == "bcd"


async def test_requests_join_between_steps_and_share_them(make: Make) -> None:
    bench = make()
    bench.model.network.gate.clear()
    first = bench.ask("a", 3)
    await entered(bench)
    second = bench.ask("A", 2)
    bench.model.network.gate.set()
    assert [await text(first), await text(second)] == ["bcd", "BC"]
    assert bench.model.network.steps == [[(0, 0, 1)], [(0, 1, 1), (1, 0, 1)], [(0, 2, 1), (1, 1, 1)]]


async def test_a_beginning_is_not_computed_twice(make: Make) -> None:
    bench = make()
    await read(bench.ask("abcdef", 1))
    again = bench.ask("abcdeX", 1)
    await read(again)
    assert again.usage.cached == 5
    assert bench.model.network.steps[-1] == [(0, 5, 1)]


async def test_a_beginning_is_copied_from_an_answer_that_still_grows(make: Make) -> None:
    bench = make()
    bench.model.network.gate.clear()
    first = bench.ask("abcdef", 4)
    await entered(bench)
    second = bench.ask("abcX", 1)
    bench.model.network.gate.set()
    await asyncio.gather(read(first), read(second))
    assert bench.model.network.copies == [(0, 1, 3)]
    assert second.usage.cached == 3


async def test_the_answer_of_a_conversation_is_cached_for_its_next_turn(make: Make) -> None:
    bench = make()
    await read(bench.ask("ab", 3))
    again = bench.ask("abcdX", 1)
    await read(again)
    assert again.usage.cached == 4


async def test_a_full_queue_is_refused_as_a_whole(make: Make) -> None:
    bench = make(max_waiting=1)
    bench.model.network.gate.clear()
    running = [bench.ask("a"), bench.ask("b")]
    await entered(bench)
    waiting = bench.ask("c")
    with pytest.raises(OverloadedError, match="1 answers wait for a slot, at most 1 may"):
        bench.ask("d")
    assert bench.generator.waiting == 1
    bench.model.network.gate.set()
    assert [await text(one) for one in (*running, waiting)] == ["bcd", "cde", "def"]
    assert ("rejected", "queue_full") in bench.figures.calls


async def test_who_waits_too_long_is_told(make: Make) -> None:
    bench = make(queue_timeout=0.05)
    bench.model.network.gate.clear()
    running = [bench.ask("a"), bench.ask("b")]
    await entered(bench)
    late = bench.ask("c")
    with pytest.raises(DeadlineExceededError, match=r"waited .* for a slot"):
        await read(late)
    bench.model.network.gate.set()
    assert [await text(one) for one in running] == ["bcd", "cde"]


async def test_an_answer_that_outlives_its_request_ends_with_an_error(make: Make) -> None:
    bench = make()
    bench.model.network.gate.clear()
    late = bench.ask("a", 30, timeout=0.01)
    await entered(bench)
    await asyncio.sleep(0.02)
    bench.model.network.gate.set()
    with pytest.raises(DeadlineExceededError, match="not complete after"):
        await read(late)


async def test_a_cancelled_answer_gives_its_slot_back_at_the_next_step(make: Make) -> None:
    bench = make()
    bench.model.network.gate.clear()
    gone, other = bench.ask("a", 30), bench.ask("b", 30)
    await entered(bench)
    waiting = bench.ask("c", 1)
    bench.generator.cancel(gone)
    bench.model.network.gate.set()
    assert await text(waiting) == "d"
    assert bench.model.network.steps[1] == [(0, 0, 1), (1, 1, 1)]
    bench.generator.cancel(other)


async def test_a_cancelled_answer_that_waits_leaves_the_queue(make: Make) -> None:
    bench = make()
    bench.model.network.gate.clear()
    running = [bench.ask("a"), bench.ask("b")]
    await entered(bench)
    bench.generator.cancel(bench.ask("c"))
    assert bench.generator.waiting == 0
    bench.model.network.gate.set()
    assert [await text(one) for one in running] == ["bcd", "cde"]


async def test_a_failing_step_fails_its_answers_and_the_next_ones_go_on(make: Make) -> None:
    bench = make()
    failing = bench.ask("d\x01")
    with pytest.raises(InferenceError, match="the model failed in a step"):
        await read(failing)
    assert await text(bench.ask("a")) == "bcd"


async def test_scores_that_are_no_numbers_fail_one_answer_only(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make()
    plain = bench.model.network.scores

    def poisoned(chunks: Sequence[Chunk], wanted: Sequence[int]) -> Array:
        scores = plain(chunks, wanted)
        for row, number in enumerate(wanted):
            if chunks[number].tokens[-1] == ord("X"):
                scores[row] = np.nan
        return scores

    monkeypatch.setattr(bench.model.network, "scores", poisoned)
    bad, good = bench.ask("X"), bench.ask("a")
    with pytest.raises(InferenceError, match="scores are not numbers"):
        await read(bad)
    assert await text(good) == "bcd"


async def test_after_the_threads_death_nobody_waits_in_vain(make: Make) -> None:
    bench = make()
    with pytest.raises(InferenceError):
        await read(bench.ask("\x02"))
    with pytest.raises(NotReadyError, match="the inference thread has died"):
        bench.ask("a")


async def test_closing_ends_what_runs_and_what_waits(make: Make) -> None:
    bench = make()
    bench.model.network.gate.clear()
    asked = [bench.ask(letter, 30) for letter in "abc"]
    await entered(bench)
    bench.generator.close("the server is shutting down")
    for generation in asked:
        with pytest.raises(NotReadyError, match="shutting down"):
            await read(generation)
    with pytest.raises(NotReadyError):
        bench.ask("d")


async def test_prompts_that_do_not_fit_are_refused(make: Make) -> None:
    bench = make()
    with pytest.raises(ContextLengthError, match="40 tokens; prompt and answer may have 40 together"):
        bench.ask("x" * 40)
    with pytest.raises(BadRequestError, match="holds no token"):
        bench.ask("")


async def test_an_answer_ends_where_the_context_does(make: Make) -> None:
    bench = make()
    generation = bench.ask("!" * 35, 30)
    pieces = await read(generation)
    assert (generation.usage.generated, pieces[-1].finish) == (5, "length")


async def test_equal_seeds_give_equal_answers(make: Make) -> None:
    bench = make()
    how = Sampling(temperature=2.0, seed=7)
    assert await text(bench.ask("a", 20, sampling=how)) == await text(bench.ask("a", 20, sampling=how))


async def test_the_gauges_follow(make: Make) -> None:
    bench = make()
    bench.model.network.gate.clear()
    asked = [bench.ask(letter * 4, 2) for letter in "abc"]
    await entered(bench)
    assert (bench.generator.running, bench.generator.waiting, bench.generator.cache_usage) == (2, 1, 0.0)
    bench.model.network.gate.set()
    for generation in asked:
        await read(generation)
    assert (bench.generator.running, bench.generator.waiting) == (0, 0)


class Only:
    """A constraint: nothing but these letters, one after the other."""

    def __init__(self, letters: str) -> None:
        self._letters = letters

    def allowed(self) -> bytes:
        bits = np.zeros(VOCABULARY, np.uint8)
        bits[ord(self._letters[0])] = 1
        return np.packbits(bits, bitorder="little").tobytes()

    def accept(self, token: int) -> None:
        assert chr(token) == self._letters[0]
        self._letters = self._letters[1:]

    @property
    def finished(self) -> bool:
        return not self._letters


async def test_a_constraint_decides_what_comes_and_when_it_ends(make: Make) -> None:
    pieces = await read(make().ask("a", 9, constraint=Only("{}")))
    assert ("".join(piece.text for piece in pieces), pieces[-1].finish) == ("{}", "stop")
