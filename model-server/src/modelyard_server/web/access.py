"""A log line for each answer: what was asked and how it ended, never what was in it."""

import logging
import time
from collections.abc import MutableMapping
from typing import Any

from modelyard_server.batching.jobs import Receive
from modelyard_server.web.body import Scope
from modelyard_server.web.inference import Handler, Send

LONGEST = 128
"""Characters of a path or a request's id that are logged; both come from clients."""
log = logging.getLogger("modelyard_server.access")


class AccessLog:
    """An ASGI app before another one."""

    def __init__(self, app: Handler) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and log the end."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, answer = time.perf_counter(), {"status": 499, "bytes": 0}

        async def counted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
            else:
                answer["bytes"] += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            _write(scope, answer, time.perf_counter() - started)


def _write(scope: Scope, answer: dict[str, int], seconds: float) -> None:
    path = scope["path"]
    identifier = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    fields = {"protocol": "http", "method": scope["method"], "path": path[:LONGEST], "model": model_of(path)[:LONGEST],
              "request_id": identifier[:LONGEST], "duration_ms": round(seconds * 1000, 3)}  # fmt: skip
    log.info("answered", extra=answer | fields)


def model_of(path: str) -> str:
    """The model that a path names; empty for paths without one."""
    parts = path.split("/")
    for place in range(len(parts) - 1):
        if parts[place] == "models":
            return parts[place + 1].partition(":")[0]
    return ""
