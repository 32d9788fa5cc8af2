"""Envoy's question -> the authorizer's answer, over HTTP on a Unix socket.

Envoy asks with the client's path and host, and with the few headers that it was told to pass on. Status 200
lets the request through; 4xx and its body are what the client gets. A 5xx Envoy would take for a fault of ours and
hide, so such a request is let through, too: to this very door, which then answers it.
"""

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, unquote

from . import metrics
from .access.authorizer import Allowed, Asked, Authorizer, Listed
from .answers import STATUS, Refused, models
from .envoy import (
    AUTHORIZER,
    CLUSTER_HEADER,
    LENGTH_HEADER,
    MODEL_HEADER,
    OURS,
    PATH_HEADER,
    USER_HEADER,
    WARNING_HEADER,
    WHO,
)
from .upstream import UpstreamKey

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
# Lists of models that were asked for, until Envoy comes for them a moment later.
MOST_TICKETS = 1000
_ALLOWED = metrics.DECISIONS.labels("Allowed")


class Door:
    """An ASGI app."""

    def __init__(self, authorizer: Authorizer, upstream: UpstreamKey) -> None:
        self._authorizer = authorizer
        self._upstream = upstream
        self._tickets: OrderedDict[str, bytes] = OrderedDict()

    async def __call__(self, scope: Scope, _receive: object, send: Send) -> None:
        """Answer one question."""
        asked = _asked(scope)
        if (listed := self._tickets.pop(asked.path.removeprefix(OURS), None)) is not None:
            await _answer(send, 200, {"content-type": "application/json"}, listed)
            return
        if asked.path.startswith(f"{WHO}/"):
            await self._who(asked, send)
            return
        if (told := _told(scope)) is not None:
            await _answer(send, told.status, _refusal(told), told.body(asked.path))
            return
        verdict = await self._authorizer.decide(asked)
        if isinstance(verdict, Allowed):
            _ALLOWED.inc()
            await _answer(send, 200, self._way(verdict), b"")
            return
        if isinstance(verdict, Listed):
            await _answer(send, 200, self._listed(verdict), b"")
            return
        metrics.DECISIONS.labels(verdict.reason).inc()
        if verdict.ours:
            path = f"{OURS}{verdict.reason}/{quote(verdict.message, safe='')}{asked.path.partition('?')[0]}"
            way = {CLUSTER_HEADER: AUTHORIZER, PATH_HEADER: path, USER_HEADER: _header_value(verdict.who)}
            await _answer(send, 200, way, b"")
            return
        await _answer(send, verdict.status, _refusal(verdict), verdict.body(asked.path))

    async def _who(self, asked: Asked, send: Send) -> None:
        """Nobody's body is read before we know who they are. What is our own fault the next question says."""
        found = await self._authorizer.identify(asked)
        if isinstance(found, Refused) and not found.ours:
            metrics.DECISIONS.labels(found.reason).inc()
            await _answer(send, found.status, _refusal(found), found.body(asked.path))
            return
        await _answer(send, 200, {}, b"")

    def _listed(self, listed: Listed) -> Mapping[str, str]:
        """Envoy is sent to us again for the list, as only refusals may have a body here."""
        _ALLOWED.inc()
        ticket = secrets.token_hex(16)
        self._tickets[ticket] = models(listed.models)
        while len(self._tickets) > MOST_TICKETS:
            self._tickets.popitem(last=False)
        return {CLUSTER_HEADER: AUTHORIZER, PATH_HEADER: f"{OURS}{ticket}", USER_HEADER: _header_value(listed.who)}

    def _way(self, allowed: Allowed) -> Mapping[str, str]:
        """Envoy itself keeps the query. Our key takes the place of the client's token, which is not for the model."""
        way = {
            CLUSTER_HEADER: allowed.cluster,
            PATH_HEADER: allowed.target.path,
            USER_HEADER: _header_value(allowed.who),
        }
        if allowed.warning:
            way[WARNING_HEADER] = _header_value(allowed.warning)
        key = self._upstream.shown(allowed.target.namespace)
        return way | {"authorization": f"Bearer {key}"} if key else way


def _told(scope: Scope) -> Refused | None:
    """What to tell the client of a request that was sent here; None for a question.

    Whoever asks for such a path is told what it says, which is for nobody else.
    """
    path: bytes = scope["raw_path"]
    if not path.startswith(OURS.encode()):
        return None
    reason, _, rest = path[len(OURS) :].decode("latin-1").partition("/")
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
        model=headers.get(MODEL_HEADER.encode(), b"").decode("latin-1"),
    )


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
