"""A watch: what happened since a version, then what happens, with bookmarks in between."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

import msgspec

from .answers import status_object
from .requests import Request, Target
from .selectors import selector
from .storage import Event, Record, Storage

BOOKMARK_SECONDS = 60.0
DEFAULT_SECONDS = 1800.0


class Watch:
    """One client's watch of one kind. Lines that are ready wait in `lines` until the client has read them."""

    def __init__(self, storage: Storage, request: Request, target: Target) -> None:
        self.kind, self._namespace = target.kind, target.namespace
        self.client, self.path = request.client, request.path
        self._matches = selector(request.query.get("labelSelector", ""))
        self._bookmarks = request.query.get("allowWatchBookmarks") in ("true", "1")
        self.seconds = float(request.query.get("timeoutSeconds") or DEFAULT_SECONDS)
        self.seen = int(request.query.get("resourceVersion") or storage.version)
        self._storage = storage
        self._lines: deque[bytes] = deque()
        self._news = asyncio.Event()
        self.ended = False
        # Which of the events reach the client, and when; all, at once, unless a view lags or loses some.
        self.pass_on: Callable[[Event], None] = self.take

    def begin(self) -> None:
        """Take what happened since the client's version."""
        for event in list(self._storage.since(self.kind, self.seen)):
            self.pass_on(event)

    def take(self, event: Event) -> None:
        """Tell the client of an event, as it looks through the watch's selector."""
        self.seen = max(self.seen, event.version)
        if self._namespace not in ("", event.key[0]):
            return
        before, after = self._selected(event.before), self._selected(event.after)
        if after is not None:
            self.send(b"ADDED" if before is None else b"MODIFIED", after.raw)
        elif before is not None:
            # An object that leaves the selection is told with the version of the change, as one that is deleted.
            last = event.last if event.after is None else _as_of(before, event.version)
            self.send(b"DELETED", last.raw)

    def fail(self, code: int, message: str) -> None:
        """Tell an error and end."""
        self.send(b"ERROR", status_object(code, message))
        self.end()

    def end(self) -> None:
        """Close the watch once everything was told."""
        self.ended = True
        self._news.set()

    def send(self, kind: bytes, raw: bytes) -> None:
        """Put one line in order."""
        self._lines.append(b'{"type":"' + kind + b'","object":' + raw + b"}\n")
        self._news.set()

    async def lines(self) -> AsyncIterator[bytes]:
        """What the client reads."""
        clock = asyncio.get_running_loop().time
        until = clock() + self.seconds
        bookmark = clock() + BOOKMARK_SECONDS
        while True:
            if self._lines:
                ready = b"".join(self._lines)
                self._lines.clear()
                yield ready
            if self.ended or clock() >= until:
                return
            if clock() >= bookmark:
                bookmark = clock() + BOOKMARK_SECONDS
                if self._bookmarks:
                    yield self._bookmark()
            self._news.clear()
            try:
                async with asyncio.timeout_at(min(until, bookmark)):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _bookmark(self) -> bytes:
        metadata = {"resourceVersion": str(self.seen), "creationTimestamp": None}
        body = {"kind": self.kind.name, "apiVersion": self.kind.api_version, "metadata": metadata}
        return msgspec.json.encode({"type": "BOOKMARK", "object": body}) + b"\n"

    def _selected(self, record: Record | None) -> Record | None:
        if record is None or not self._matches(record.body["metadata"].get("labels") or {}):
            return None
        return record


def _as_of(record: Record, version: int) -> Record:
    metadata = {**record.body["metadata"], "resourceVersion": str(version)}
    return Record({**record.body, "metadata": metadata}, {})
