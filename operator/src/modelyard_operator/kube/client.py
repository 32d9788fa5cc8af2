"""A thin client of the API server: one pooled session, server-side apply, typed decoding, fenced writes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeVar

import aiohttp
import msgspec
from msgspec import Struct

from modelyard_operator import metrics
from modelyard_operator.api.names import FIELD_MANAGER
from modelyard_operator.api.objects import ObjectMeta

from .credentials import Credentials
from .errors import ApiError, FencedError, UnauthorizedError, from_response
from .resources import Resource
from .throttle import Throttle

T = TypeVar("T", bound=Struct)

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
REQUEST_SECONDS = 15.0
CONNECTIONS = 48
PAGE = 500
# A watch that has been silent for longer than two bookmarks is dead, whatever the connection says.
SILENCE_SECONDS = 150.0


class ListMeta(Struct, rename="camel"):
    """Metadata of a list."""

    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


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


class Client:
    """Requests of one operator process."""

    def __init__(self, credentials: Credentials, throttle: Throttle, may_write: Callable[[], bool]) -> None:
        self._credentials = credentials
        self._throttle = throttle
        self._may_write = may_write
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=credentials.context)
        self._session = aiohttp.ClientSession(
            connector=connector, headers={"Accept": "application/json"}, timeout=aiohttp.ClientTimeout(total=None)
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def get(self, resource: Resource, namespace: str, name: str) -> bytes:
        """One object as JSON; NotFoundError when it does not exist."""
        return await self._request("GET", resource, resource.path(namespace, name))

    async def list(self, resource: Resource, namespace: str = "") -> tuple[list[Any], str]:
        """All objects, in pages, with the version to watch from."""
        page = msgspec.defstruct(
            "Page",
            [("metadata", ListMeta), ("items", list[resource.type])],  # type: ignore[name-defined]
        )
        found: list[Any] = []
        token = ""
        while True:
            query = {"limit": str(PAGE)}
            if resource.selector:
                query["labelSelector"] = resource.selector
            if token:
                query["continue"] = token
            body = await self._request("GET", resource, resource.path(namespace), query=query)
            decoded: Any = msgspec.json.decode(body, type=page, strict=False)
            found += decoded.items
            token = decoded.metadata.continue_
            if not token:
                return found, decoded.metadata.resource_version

    async def watch(self, resource: Resource, namespace: str, version: str, seconds: int) -> AsyncIterator[WatchEvent]:
        """Events from `version` on, for about `seconds`; GoneError when the version is too old."""
        query = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        if resource.selector:
            query["labelSelector"] = resource.selector
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS, sock_read=SILENCE_SECONDS)
        url = self._credentials.server + resource.path(namespace)
        async with self._session.get(
            url, params=query, timeout=timeout, headers=self._credentials.authorization()
        ) as response:
            await self._check(response, "WATCH", resource)
            async for line in _lines(response):
                event = msgspec.json.decode(line, type=WatchEvent)
                if event.type == "ERROR":
                    raise watch_error(event)
                yield event

    async def apply(self, resource: Resource, manifest: Mapping[str, Any], reason: str) -> bytes:
        """Create or update an object by server-side apply; returns it as the server has it."""
        metadata = manifest["metadata"]
        metrics.API_WRITES.labels(resource.kind, reason).inc()
        return await self._write(
            "PATCH",
            resource,
            resource.path(metadata.get("namespace", ""), metadata["name"]),
            body=msgspec.json.encode(manifest),
            content=APPLY,
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
        )

    async def repair(self, resource: Resource, manifest: Mapping[str, Any], uid: str) -> bytes:
        """Undo a change by hand, if the object still is the one that was seen.

        Server-side apply merges lists by key, so it would leave what somebody else added; a merge patch replaces lists.
        """
        metrics.API_WRITES.labels(resource.kind, "drift").inc()
        metadata = manifest["metadata"]
        kept = {key: metadata[key] for key in ("labels", "annotations", "ownerReferences") if key in metadata}
        patch = {**manifest, "metadata": {**kept, "uid": uid}}
        path = resource.path(metadata.get("namespace", ""), metadata["name"])
        return await self._write(
            "PATCH", resource, path, msgspec.json.encode(patch), MERGE, {"fieldManager": FIELD_MANAGER}
        )

    async def scale(self, resource: Resource, namespace: str, name: str, uid: str, replicas: int) -> bytes:
        """Ask a Deployment for another number of replicas, if it still is the one with this uid."""
        metrics.API_WRITES.labels(resource.kind, "scale").inc()
        patch = {"metadata": {"uid": uid}, "spec": {"replicas": replicas}}
        path = resource.path(namespace, name)
        return await self._write(
            "PATCH", resource, path, msgspec.json.encode(patch), MERGE, {"fieldManager": FIELD_MANAGER}
        )

    async def write_status(self, resource: Resource, metadata: ObjectMeta, status: object) -> bytes:
        """Replace the whole status, if the object still is the one that was seen."""
        metrics.API_WRITES.labels(resource.kind, "status").inc()
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": metadata.uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        path = resource.path(metadata.namespace, metadata.name, "status")
        return await self._write(
            "PATCH", resource, path, msgspec.json.encode(patch), JSON_PATCH, {"fieldManager": FIELD_MANAGER}
        )

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete an object and, in the background, what it owns; ConflictError when it is another object by now."""
        metrics.API_WRITES.labels(resource.kind, "delete").inc()
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}  # type: ignore[assignment]
        await self._write(
            "DELETE", resource, resource.path(namespace, name), msgspec.json.encode(body), "application/json"
        )

    async def put_lease(self, path: str, name: str, body: bytes) -> bytes:
        """Update a Lease; never fenced, since this is what makes a leader."""
        return await self._send("PUT", "leases", f"{path}/{name}", body, "application/json")

    async def create_lease(self, path: str, body: bytes) -> bytes:
        """Create a Lease."""
        return await self._send("POST", "leases", path, body, "application/json")

    async def get_lease(self, path: str, name: str) -> bytes:
        """Read a Lease."""
        return await self._send("GET", "leases", f"{path}/{name}")

    async def _write(
        self,
        method: str,
        resource: Resource,
        path: str,
        body: bytes,
        content: str,
        query: Mapping[str, str] | None = None,
    ) -> bytes:
        await self._throttle.wait()
        if not self._may_write():
            raise FencedError("the lease is not held any more")
        return await self._send(method, resource.plural, path, body, content, query)

    async def _request(
        self, method: str, resource: Resource, path: str, query: Mapping[str, str] | None = None
    ) -> bytes:
        await self._throttle.wait()
        return await self._send(method, resource.plural, path, query=query)

    async def _send(
        self,
        method: str,
        plural: str,
        path: str,
        body: bytes | None = None,
        content: str = "",
        query: Mapping[str, str] | None = None,
    ) -> bytes:
        """One request, and one more with a fresh token when the first is refused."""
        for last in (False, True):
            try:
                return await self._once(method, plural, path, body, content, query)
            except UnauthorizedError:
                if last:
                    raise
                self._credentials.refresh()
        raise AssertionError("unreachable")

    async def _once(
        self, method: str, plural: str, path: str, body: bytes | None, content: str, query: Mapping[str, str] | None
    ) -> bytes:
        headers = dict(self._credentials.authorization())
        if content:
            headers["Content-Type"] = content
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        try:
            async with self._session.request(
                method, self._credentials.server + path, params=query, data=body, headers=headers, timeout=timeout
            ) as response:
                payload = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            metrics.API_REQUESTS.labels(method, plural, "0").inc()
            raise ApiError(0, f"{method} {path}: {type(error).__name__} {error}".rstrip()) from error
        metrics.API_REQUESTS.labels(method, plural, str(response.status)).inc()
        if response.status >= 400:
            raise from_response(response.status, payload, response.headers.get("Retry-After"))
        return payload

    async def _check(self, response: aiohttp.ClientResponse, verb: str, resource: Resource) -> None:
        metrics.API_REQUESTS.labels(verb, resource.plural, str(response.status)).inc()
        if response.status == 401:
            self._credentials.refresh()
        if response.status >= 400:
            raise from_response(response.status, await response.read(), response.headers.get("Retry-After"))


def bookmark_version(event: WatchEvent) -> str:
    """The resource version that a bookmark carries."""
    return msgspec.json.decode(event.object, type=_Bookmark).metadata.resource_version


def watch_error(event: WatchEvent) -> ApiError:
    """The error that an ERROR event carries."""
    code = msgspec.json.decode(event.object, type=_ErrorStatus).code
    return from_response(code, bytes(event.object), None)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Lines of any length: objects can be larger than the line limit of aiohttp's own reader."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
    if rest.strip():
        # A half line means that the connection broke; the object will come again after the reconnect.
        await asyncio.sleep(0)
