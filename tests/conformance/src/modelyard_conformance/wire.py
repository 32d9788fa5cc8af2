"""One HTTP exchange, with the standard library: nothing is retried, redirected or repaired on the way."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from modelyard_conformance.clauses import FailedError

TIMEOUT = 30.0


@dataclass(frozen=True)
class Answer:
    """Status, headers in lower case, and the body as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON. Raises FailedError."""
        return parse(self.body)

    @property
    def seen(self) -> str:
        """The answer in one line, for a verdict."""
        text = " ".join(self.body[:120].decode("utf-8", "backslashreplace").split())
        return f"{self.status} {text}".strip()


def parse(body: bytes) -> Any:
    """JSON, or FailedError with what was there instead."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise FailedError(f"the body is not JSON: {body[:80]!r}") from error


class Wire:
    """A server's address. Every exchange has a connection of its own."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        self._secure = parts.scheme == "https"
        self._host = parts.netloc
        self._prefix = parts.path.rstrip("/")
        self._headers = dict(headers or {})

    def exchange(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> Answer:
        """Send and read one answer. Raises OSError when there is no server."""
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, timeout=TIMEOUT)
        try:
            connection.request(method, self._prefix + path, body, {**self._headers, **headers})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        """GET."""
        return self.exchange("GET", path)

    def post(self, path: str, document: object) -> Answer:
        """POST a JSON document."""
        return self.exchange("POST", path, json.dumps(document).encode(), {"Content-Type": "application/json"})
