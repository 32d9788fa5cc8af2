"""One line when a step starts, one when it ends, each with the time since the command began."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from .errors import LocalError


class Progress:
    """Prints lines whole, also when several threads report at once."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def line(self, text: str) -> None:
        """Print one line with the elapsed time before it."""
        with self._lock:
            print(f"[{time.monotonic() - self._began:7.1f} s] {text}", file=self._stream, flush=True)

    @contextmanager
    def task(self, name: str) -> Iterator[None]:
        """Frame a piece of work with a line at its start and one at its end."""
        began = time.monotonic()
        self.line(f"{name}: …")
        try:
            yield
        except LocalError:
            self.line(f"{name}: FAILED after {time.monotonic() - began:.1f} s")
            raise
        self.line(f"{name}: done in {time.monotonic() - began:.1f} s")

    @property
    def elapsed(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._began
