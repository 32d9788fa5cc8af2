"""A client of the OpenAI API: several streams at once, and when each token came."""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

TOPICS = ("a lighthouse", "a bakery", "the first snow", "a lost letter", "an old train", "two rivers", "a clockmaker",
          "a garden at night")  # fmt: skip


@dataclass
class Stream:
    """One answer: seconds from its request to each piece, and how many tokens it has."""

    began: float = 0.0
    pieces: list[float] = field(default_factory=list)
    tokens: int = 0
    error: str = ""

    @property
    def first(self) -> float:
        """Time to the first token."""
        return self.pieces[0] - self.began


@dataclass(frozen=True)
class Load:
    """What was measured with so many streams."""

    tokens_per_second: float
    first_median: float
    first_worst: float
    between_median: float
    errors: int


def prompt(number: int) -> str:
    """Another story for each stream, so that no two share more than the template."""
    return f"Write a long story about {TOPICS[number % len(TOPICS)]}, with many details. Story number {number}."


def measure(port: int, count: int, fields: Mapping[str, object], offset: int, patience: float) -> Load:
    """Run `count` streams at once; `fields` are those of every request. RuntimeError when none came through within
    `patience` seconds.

    A peer without `ignore_eos` stops where the model does; its tokens are counted as they come.
    """
    streams = [Stream() for _ in range(count)]
    threads = [
        threading.Thread(target=_run, args=(port, _body(fields, offset + number), one, patience))
        for number, one in enumerate(streams)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return summary(streams, time.perf_counter() - started)


def summary(streams: Sequence[Stream], seconds: float) -> Load:
    """Figures of all streams together."""
    good = [one for one in streams if not one.error and one.pieces]
    if not good:
        raise RuntimeError(f"no stream was answered: {streams[0].error}")
    gaps = [after - before for one in good for before, after in zip(one.pieces, one.pieces[1:], strict=False)]
    firsts = [one.first for one in good]
    total = sum(one.tokens for one in good)
    between = statistics.median(gaps) if gaps else 0.0
    return Load(total / seconds, statistics.median(firsts), max(firsts), between, len(streams) - len(good))


def _body(fields: Mapping[str, object], number: int) -> bytes:
    turn = {"role": "user", "content": prompt(number)}
    return json.dumps({"messages": [turn], "temperature": 0.0, "stream": True, **fields}).encode()


def _run(port: int, body: bytes, stream: Stream, patience: float) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    stream.began = time.perf_counter()
    try:
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            stream.error = f"{response.status} {response.read()[:200]!r}"
            return
        while line := response.readline():
            _event(line.strip(), stream)
            if time.perf_counter() - stream.began > patience:
                stream.error = f"not complete after {patience:g} s"
                return
    except (OSError, http.client.HTTPException) as error:
        stream.error = str(error)
    finally:
        connection.close()


def _event(line: bytes, stream: Stream) -> None:
    if not line.startswith(b"data: {"):
        return
    document = json.loads(line[6:])
    usage = document.get("usage")
    if usage and usage.get("completion_tokens"):
        stream.tokens = usage["completion_tokens"]
    for choice in document.get("choices", []):
        if choice.get("delta", {}).get("content"):
            stream.pieces.append(time.perf_counter())
            stream.tokens = max(stream.tokens, len(stream.pieces))
