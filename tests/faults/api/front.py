"""The API server over HTTP: aiohttp on one side, verbs and watches on the other."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import web

from . import discovery
from .answers import Answer, RefusedError
from .requests import Request, parse
from .storage import Event
from .verbs import Verbs
from .watching import Watch


class Interference:
    """What goes wrong on the way; here, nothing."""

    async def before(self, request: Request, connection: Any) -> Answer | None:  # noqa: ARG002 - for others to use
        """Called before a request is carried out; an answer replaces the server's own."""
        return None

    async def after(self, request: Request, answer: Answer, connection: Any) -> Answer:  # noqa: ARG002
        """Called once it was carried out; returns what the client gets."""
        return answer

    def opened(self, watch: Watch, connection: Any) -> None:
        """A watch begins."""


class Front:
    """Serves one cluster."""

    def __init__(self, verbs: Verbs, interference: Interference, identify: Callable[[web.BaseRequest], str]) -> None:
        self._verbs = verbs
        self._storage = verbs.storage
        self._interference = interference
        self._identify = identify
        self._documents = discovery.documents()
        self.watches: dict[Watch, None] = {}
        self._storage.listeners.append(self._tell)

    def server(self) -> web.Server:
        """What accepts connections; its handlers run in the loop in which it is made."""
        return web.Server(self.handle, access_log=None)

    async def handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        """One request of any kind."""
        request = Request(
            method=incoming.method,
            path=incoming.path,
            query=incoming.query,
            body=await incoming.read(),
            content_type=incoming.content_type,
            client=self._identify(incoming),
            token=incoming.headers.get("Authorization", ""),
        )
        answer = await self._interference.before(request, incoming.transport)
        if answer is None and request.query.get("watch") in ("1", "true"):
            return await self._watch(incoming, request)
        if answer is None:
            answer = self._documents.get(request.path) or self._verbs.handle(request)
            answer = await self._interference.after(request, answer, incoming.transport)
        return web.Response(
            status=answer.status, body=answer.body, headers=answer.headers, content_type=answer.content_type
        )

    async def _watch(self, incoming: web.BaseRequest, request: Request) -> web.StreamResponse:
        try:
            watch = Watch(self._storage, request, parse(request.path))
        except (RefusedError, ValueError):
            return web.Response(status=404, body=b"{}", content_type="application/json")
        response = web.StreamResponse()
        response.content_type = "application/json"
        await response.prepare(incoming)
        self._interference.opened(watch, incoming.transport)
        if self._storage.remembers(watch.seen):
            watch.begin()
        else:
            watch.fail(410, f"too old resource version: {watch.seen} ({self._storage.floor})")
        self.watches[watch] = None
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                async for line in watch.lines():
                    await response.write(line)
                await response.write_eof()
        finally:
            self.watches.pop(watch, None)
        return response

    def _tell(self, event: Event) -> None:
        for watch in list(self.watches):
            if watch.kind is event.kind:
                watch.pass_on(event)
