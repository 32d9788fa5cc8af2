"""The key that proxies must show: read from a file, compared in constant time, never logged."""

import hashlib
import hmac
import time
from pathlib import Path

from modelyard_server.errors import StartupError

LOOK_AFTER = 5.0
"""Seconds between looks at the file: a mounted Secret is replaced while the server runs."""
BEARER = "bearer "


class Keys:
    """The keys of one file, one a line, so that an old and a new one can hold at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked = time.monotonic()
        self._digests = self._read()

    def fit(self, authorization: str, header: str) -> bool:
        """Whether `Authorization: Bearer KEY`, or the plain header, holds one of the keys.

        Digests are compared, so neither the place of the first difference nor a length shows in the time it takes.
        """
        self._look()
        bearer = authorization[len(BEARER) :] if authorization[: len(BEARER)].lower() == BEARER else ""
        shown = [_digest(one.strip()) for one in (bearer, header)]
        found = [hmac.compare_digest(one, known) for one in shown for known in self._digests]
        return any(found)

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_AFTER:
            return
        self._looked = now
        try:
            self._digests = self._read()
        except StartupError:
            return  # while the file is being replaced, what was in it holds

    def _read(self) -> tuple[bytes, ...]:
        try:
            lines = self._path.read_text().split()
        except (OSError, UnicodeDecodeError) as error:
            raise StartupError("LoadFailed", f"MODELYARD_API_KEY_FILE: {self._path} cannot be read: {error}") from error
        if not lines:
            raise StartupError("LoadFailed", f"MODELYARD_API_KEY_FILE: {self._path} holds no key; write one a line")
        return tuple(_digest(one) for one in lines)


def _digest(key: str) -> bytes:
    """An empty key fits nothing, for no line is empty."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
