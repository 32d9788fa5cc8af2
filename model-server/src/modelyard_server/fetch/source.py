"""What a place to fetch from must do. `objects` and `volume` implement it."""

from collections.abc import Iterator
from typing import Protocol

from modelyard_server.errors import FetchError


class Source(Protocol):
    """A directory of files somewhere, or a single archive (the empty path)."""

    def stream(self, path: str) -> Iterator[bytes]:
        """Chunks of a file. Raises FileNotFoundError, FetchError (final) or TransientError (worth another try)."""

    def explain_missing(self, path: str) -> FetchError:
        """Look closer at what is there instead, for a message that helps: a typo in the bucket or in the prefix?"""
