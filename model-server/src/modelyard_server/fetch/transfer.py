"""Streams: into a file with its hash, with retries, and a progress line now and then."""

import hashlib
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from modelyard_server.errors import FetchError, PackageError, TransientError
from modelyard_server.fetch.source import Source
from modelyard_server.package.manifest import FileEntry

ATTEMPTS = 5
FIRST_DELAY = 0.5
PROGRESS_EVERY = 2.0
T = TypeVar("T")


class Progress:
    """Counts bytes and prints a line every two seconds, so that `kubectl logs` shows life but not noise."""

    def __init__(self, total: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._started = self._printed = clock()
        self.done = 0

    def add(self, size: int) -> None:
        """Count `size` more bytes (negative when a broken transfer starts again)."""
        self.done += size
        now = self._clock()
        if now - self._printed >= PROGRESS_EVERY:
            self._printed = now
            rate = self.done / max(now - self._started, 0.001)
            share = f" of {mebibytes(self._total)} ({self.done * 100 // self._total} %)" if self._total else ""
            say(f"{mebibytes(self.done)}{share}, {mebibytes(rate)}/s")


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


def mebibytes(size: float) -> str:
    """Human size."""
    return f"{size / 1024 / 1024:.1f} MiB" if size >= 1024 * 100 else f"{size:.0f} B"


def retrying(what: str, attempt: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """Call `attempt` again after transient faults, with growing, jittered pauses; in the end FetchFailed."""
    for number in range(1, ATTEMPTS + 1):
        try:
            return attempt()
        except TransientError as error:
            if number == ATTEMPTS:
                raise FetchError("FetchFailed", f"{what}: {error} ({ATTEMPTS} attempts)") from error
            delay = FIRST_DELAY * 2 ** (number - 1) * random.uniform(0.75, 1.25)  # noqa: S311 (jitter, not a secret)
            say(f"{what}: {error}; attempt {number + 1} of {ATTEMPTS} in {delay:.1f} s")
            sleep(delay)
    raise AssertionError("unreachable")


def read_small(source: Source, path: str, limit: int) -> bytes:
    """A whole small file in memory; raises PackageError when it is larger than `limit`."""
    content = bytearray()
    for chunk in source.stream(path):
        content += chunk
        if len(content) > limit:
            raise PackageError(f"{path}: larger than the allowed {limit} bytes")
    return bytes(content)


def save(chunks: Iterator[bytes], target: Path, limit: int, progress: Progress) -> FileEntry:
    """Write a stream to `target` and return its hash and size; stops at `limit` bytes."""
    hasher = hashlib.sha256()
    size = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("wb") as file:
            for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise PackageError(f"{target.name}: larger than the {limit} bytes it should have")
                hasher.update(chunk)
                file.write(chunk)
                progress.add(len(chunk))
    except TransientError:
        progress.add(-size)
        raise
    return FileEntry(hasher.hexdigest(), size)
