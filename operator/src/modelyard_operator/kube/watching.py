"""What a watch brings: one JSON object a line; objects, bookmarks and errors."""

from collections.abc import AsyncIterator

import aiohttp
import msgspec
from msgspec import Struct

from .errors import ApiError, from_response


class WatchEvent(Struct, rename="camel"):
    """One line of a watch, its object still undecoded."""

    type: str
    object: msgspec.Raw


class _BookmarkMeta(Struct, rename="camel"):
    resource_version: str


class _Bookmark(Struct):
    """The object of a bookmark has a version and nothing else, not even a name."""

    metadata: _BookmarkMeta


class _ErrorStatus(Struct):
    code: int = 500


def event_version(event: WatchEvent) -> str:
    """The resource version that an event carries; bookmarks carry nothing else."""
    return msgspec.json.decode(event.object, type=_Bookmark).metadata.resource_version


def watch_error(event: WatchEvent) -> ApiError:
    """The error that an ERROR event carries."""
    code = msgspec.json.decode(event.object, type=_ErrorStatus).code
    return from_response(code, bytes(event.object), None)


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[WatchEvent]:
    """Events of a response. A half line at the end means that the connection broke; the object will come again."""
    rest = b""
    # Lines can be longer than aiohttp's own line reader allows.
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield msgspec.json.decode(line, type=WatchEvent)
