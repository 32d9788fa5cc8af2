"""Texts as rows of a tensor: the queue that the tensor protocols know, in front of a generator. Each row is an answer
of its own, with the model's defaults."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from modelyard_server.batching.execution import Arrays
from modelyard_server.batching.jobs import ClientGoneError, Receive
from modelyard_server.errors import BadRequestError, UnsupportedError
from modelyard_server.generation.disconnect import watched
from modelyard_server.generation.generation import Generation
from modelyard_server.generation.generator import Generator
from modelyard_server.generation.requests import Request, Sampling
from modelyard_server.passages import Passed

T = TypeVar("T")
MAX_ROWS = 64
"""Rows of one request; each one is a whole answer."""


class TextRows:
    """Looks like a batcher, and hands its rows to the generator."""

    def __init__(self, generator: Generator, names: tuple[str, str], max_tokens: int) -> None:
        self._generator = generator
        self._input, self._output = names
        self._max_tokens = max_tokens
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def queued_rows(self) -> int:
        """Answers that wait for a slot."""
        return self._generator.waiting

    def submit(
        self,
        inputs: Arrays,
        rows: int,
        receive: Receive | None = None,
        timeout: float | None = None,
        passed: Passed | None = None,
    ) -> asyncio.Future[Arrays]:
        """Queue every row; the future gets the texts. Raises RequestError."""
        if rows > MAX_ROWS:
            raise BadRequestError(f"input {self._input!r}: {rows} rows, at most {MAX_ROWS} are taken")
        requests = [self._request(text, timeout) for text in inputs[self._input].ravel()]
        generations = self._generator.submit(requests)
        task = asyncio.get_running_loop().create_task(self._answer(generations, receive, passed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def when_idle(self, call: Callable[[], T]) -> T:  # noqa: ARG002 (as a batcher has it)
        """Texts are not explained. Raises UnsupportedError."""
        raise UnsupportedError("a model that generates text cannot be explained")

    def withdraw(self, future: asyncio.Future[Arrays]) -> None:
        """The caller has gone."""
        future.cancel()

    def close(self, message: str) -> None:
        """The drain time is over."""
        self._generator.close(message)

    def _request(self, text: bytes, timeout: float | None) -> Request:
        try:
            prompt = self._generator.model.tokenizer.encode(text.decode(), special=True)
        except UnicodeDecodeError as error:
            raise BadRequestError(f"input {self._input!r}: holds bytes that are not UTF-8 text") from error
        sampling = Sampling(temperature=0.0)
        return Request(prompt=tuple(prompt), max_tokens=self._max_tokens, sampling=sampling, timeout=timeout)

    async def _answer(self, generations: list[Generation], receive: Receive | None, passed: Passed | None) -> Arrays:
        try:
            texts = await watched(_texts(generations), receive)
        except asyncio.CancelledError as error:
            raise ClientGoneError from error
        finally:
            self._generator.leave(generations, passed)
        answers = np.empty((len(texts),), np.object_)
        answers[:] = [text.encode() for text in texts]
        return {self._output: answers}


async def _texts(generations: list[Generation]) -> list[str]:
    return [await whole(generation) for generation in generations]


async def whole(generation: Generation) -> str:
    """All of one answer. Raises RequestError."""
    return "".join([piece.text async for piece in generation.pieces()])
