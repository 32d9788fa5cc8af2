"""Envoy's question -> the authorizer's answer, over HTTP on a Unix socket.

Envoy asks with the client's path and host, and with the few headers that it was told to pass on. Status 200
lets the request through; 4xx and its body are what the client gets. A 5xx Envoy would take for a fault of ours and
hide, so such a request is let through, too: to this very door, which then answers it.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, unquote

from . import metrics
from .access.authorizer import Allowed, Asked, Authorizer
from .answers import STATUS, Refused
from .envoy import AUTHORIZER, CLUSTER_HEADER, LENGTH_HEADER, PATH_HEADER, USER_HEADER, WARNING_HEADER

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
# No namespace begins so.
_TELL = "/-/"
_ALLOWED = metrics.DECISIONS.labels("Allowed")


class Door:
    """An ASGI app."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def __call__(self, scope: Scope, _receive: object, send: Send) -> None:
        """Answer one question."""
        asked = _asked(scope)
        if (told := _told(scope)) is not None:
            await _answer(send, told.status, _refusal(told), told.body(asked.path))
            return
        verdict = await self._authorizer.decide(asked)
        if isinstance(verdict, Allowed):
            _ALLOWED.inc()
            await _answer(send, 200, _way(verdict), b"")
            return
        metrics.DECISIONS.labels(verdict.reason).inc()
        if verdict.ours:
            path = f"{_TELL}{verdict.reason}/{quote(verdict.message, safe='')}{asked.path.partition('?')[0]}"
            way = {CLUSTER_HEADER: AUTHORIZER, PATH_HEADER: path, USER_HEADER: _header_value(verdict.who)}
            await _answer(send, 200, way, b"")
            return
        await _answer(send, verdict.status, _refusal(verdict), verdict.body(asked.path))


def _told(scope: Scope) -> Refused | None:
    """What to tell the client of a request that was sent here; None for a question.

    Whoever asks for such a path is told what it says, which is for nobody else.
    """
    path: bytes = scope["raw_path"]
    if not path.startswith(_TELL.encode()):
        return None
    reason, _, rest = path[len(_TELL) :].decode("latin-1").partition("/")
    known = next((one for one in STATUS if one == reason), None)
    return Refused(known, unquote(rest.partition("/")[0])) if known and STATUS[known] >= 500 else None


def _asked(scope: Scope) -> Asked:
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        # Two of a kind are one that is malformed, whichever of them somebody else would take.
        headers[name] = headers[name] + b"," + value if name in headers else value
    length = headers.get(LENGTH_HEADER.encode(), b"")
    query = scope["query_string"]
    path = scope["raw_path"] + (b"?" + query if query else b"")
    authorization = headers.get(b"authorization")
    return Asked(
        path=path.decode("latin-1"),
        host=headers.get(b"host", b"").decode("latin-1"),
        authorization=None if authorization is None else authorization.decode("latin-1"),
        content_type=headers.get(b"content-type", b"").decode("latin-1"),
        length=int(length) if length.isdigit() else -1,
    )


def _way(allowed: Allowed) -> Mapping[str, str]:
    """Envoy itself keeps the query."""
    return {
        CLUSTER_HEADER: allowed.cluster,
        PATH_HEADER: allowed.target.path,
        USER_HEADER: _header_value(allowed.who),
        **({WARNING_HEADER: _header_value(allowed.warning)} if allowed.warning else {}),
    }


def _refusal(refused: Refused) -> Mapping[str, str]:
    found = {"content-type": "application/json", **refused.headers()}
    if refused.who:
        found[USER_HEADER] = _header_value(refused.who)
    return found


def _header_value(text: str) -> str:
    """Names of users may hold anything; a header may not."""
    return "".join(one if one.isprintable() and one.isascii() else "?" for one in text)[:256]


async def _answer(send: Send, status: int, headers: Mapping[str, str], body: bytes) -> None:
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    encoded.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
