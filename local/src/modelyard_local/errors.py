"""One error for everything a person has to act on."""

from __future__ import annotations

from pathlib import Path


class LocalError(Exception):
    """Something failed that a person can fix.

    `str()` says what failed and what to do about it; `log` is the file whose last lines say why.
    """

    def __init__(self, message: str, *, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log, or a line that says it is not there."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 64 * 1024))
            text = stream.read().decode(errors="replace")
    except OSError:
        return f"({log} cannot be read)"
    return "\n".join(text.splitlines()[-lines:])
