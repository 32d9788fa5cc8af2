"""A thin client of the API server: typed reads, watches, server-side apply, fenced writes."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from modelyard_operator import metrics
from modelyard_operator.api.names import FIELD_MANAGER
from modelyard_operator.api.objects import ObjectMeta

from .resources import Resource
from .throttle import Throttle
from .transport import JSON, Request, Transport
from .watching import WatchEvent, events, watch_error

logger = logging.getLogger(__name__)

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
PAGE = 500
_ABSENT = "1"
MANAGER = {"fieldManager": FIELD_MANAGER}


class _ListMeta(Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _Page(Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] = []


class Client:
    """Reads and writes of one operator process."""

    def __init__(self, transport: Transport, throttle: Throttle, budget: Callable[[], float]) -> None:
        self._transport = transport
        self._throttle = throttle
        self._budget = budget

    async def get(self, resource: Resource, namespace: str, name: str) -> bytes:
        """One object as JSON; NotFoundError when it does not exist."""
        await self._throttle.wait()
        return await self._transport.send(Request("GET", resource.plural, resource.path(namespace, name)))

    async def pages(self, resource: Resource, namespace: str = "") -> AsyncIterator[tuple[list[Any], str]]:
        """All objects that can be read, page by page, each with the version to watch from: one for all pages."""
        query = {"limit": str(PAGE), **_selected(resource)}
        while True:
            await self._throttle.wait()
            request = Request("GET", resource.plural, resource.path(namespace), query=query)
            page = msgspec.json.decode(await self._transport.send(request), type=_Page)
            found = [one for raw in page.items if (one := read(resource, raw)) is not None]
            yield found, page.metadata.resource_version
            if not page.metadata.continue_:
                return
            query = {**query, "continue": page.metadata.continue_}

    async def watch(self, resource: Resource, namespace: str, version: str, seconds: int) -> AsyncIterator[WatchEvent]:
        """Events from `version` on, for about `seconds`; GoneError when the version is too old."""
        query = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
            **_selected(resource),
        }
        request = Request("GET", resource.plural, resource.path(namespace), query=query)
        async with self._transport.stream(request) as response:
            async for event in events(response):
                if event.type == "ERROR":
                    raise watch_error(event)
                yield event

    async def create(self, resource: Resource, manifest: Mapping[str, Any]) -> bytes:
        """Create an object by server-side apply; ConflictError when there is one of that name, whoever made it.

        The version of an object is never 1, so an apply that names it fits no object that exists. That saves the read
        that would otherwise keep us from taking over what somebody else made.
        """
        created = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": _ABSENT}}
        return await self.apply(resource, created, "create")

    async def apply(self, resource: Resource, manifest: Mapping[str, Any], reason: str) -> bytes:
        """Create or update an object by server-side apply; returns it as the server has it."""
        metadata = manifest["metadata"]
        path = resource.path(metadata.get("namespace", ""), metadata["name"])
        body = msgspec.json.encode(manifest)
        return await self._write(
            Request("PATCH", resource.plural, path, body, APPLY, {**MANAGER, "force": "true"}), resource, reason
        )

    async def repair(self, resource: Resource, manifest: Mapping[str, Any], uid: str) -> bytes:
        """Undo a change by hand, if the object still is the one that was seen.

        Server-side apply merges lists by key, so it would leave what somebody else added; a merge patch replaces lists.
        """
        metadata = manifest["metadata"]
        kept = {key: metadata[key] for key in ("labels", "annotations", "ownerReferences") if key in metadata}
        body = msgspec.json.encode({**manifest, "metadata": {**kept, "uid": uid}})
        path = resource.path(metadata.get("namespace", ""), metadata["name"])
        return await self._write(Request("PATCH", resource.plural, path, body, MERGE, MANAGER), resource, "drift")

    async def scale(self, resource: Resource, namespace: str, name: str, uid: str, replicas: int) -> bytes:
        """Ask a Deployment for another number of replicas, if it still is the one with this uid."""
        body = msgspec.json.encode({"metadata": {"uid": uid}, "spec": {"replicas": replicas}})
        path = resource.path(namespace, name)
        return await self._write(Request("PATCH", resource.plural, path, body, MERGE, MANAGER), resource, "scale")

    async def label(self, resource: Resource, metadata: ObjectMeta, labels: Mapping[str, str]) -> bytes:
        """Put labels on an object, if it still is the one that was seen."""
        body = msgspec.json.encode({"metadata": {"uid": metadata.uid, "labels": labels}})
        path = resource.path(metadata.namespace, metadata.name)
        return await self._write(Request("PATCH", resource.plural, path, body, MERGE, MANAGER), resource, "drift")

    async def amend(self, resource: Resource, namespace: str, name: str, patch: Sequence[Any], reason: str) -> bytes:
        """Change an object by JSON patch, whose tests say which object it must be; InvalidError when it is another."""
        request = Request(
            "PATCH", resource.plural, resource.path(namespace, name), msgspec.json.encode(patch), JSON_PATCH, MANAGER
        )
        return await self._write(request, resource, reason)

    async def merge_status(self, resource: Resource, metadata: ObjectMeta, status: Mapping[str, Any]) -> bytes:
        """Replace some fields of a status, if nobody changed the object since it was seen; ConflictError otherwise.

        A field that is null goes.
        """
        seen = {"uid": metadata.uid, "resourceVersion": metadata.resource_version}
        body = msgspec.json.encode({"metadata": seen, "status": status})
        path = resource.path(metadata.namespace, metadata.name, "status")
        return await self._write(Request("PATCH", resource.plural, path, body, MERGE, MANAGER), resource, "status")

    async def write_status(self, resource: Resource, metadata: ObjectMeta, status: object) -> bytes:
        """Replace the whole status, if the object still is the one that was seen; InvalidError when it is another."""
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": metadata.uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        path = resource.path(metadata.namespace, metadata.name, "status")
        body = msgspec.json.encode(patch)
        return await self._write(Request("PATCH", resource.plural, path, body, JSON_PATCH, MANAGER), resource, "status")

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete an object and, in the background, what it owns; ConflictError when it is another object by now."""
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        body = msgspec.json.encode({**options, "preconditions": {"uid": uid}})
        path = resource.path(namespace, name)
        await self._write(Request("DELETE", resource.plural, path, body, JSON), resource, "delete")

    async def _write(self, request: Request, resource: Resource, reason: str) -> bytes:
        await self._throttle.wait()
        answer = await self._transport.send(request, self._budget)
        metrics.API_WRITES.labels(resource.kind, reason).inc()
        return answer


def read(resource: Resource, raw: msgspec.Raw) -> Any:
    """An object as its type, or None: one that cannot be read must not hide all others of its kind.

    Stored objects are not checked again when a CRD becomes stricter, so this happens.
    """
    try:
        return resource.decode(raw)
    except msgspec.MsgspecError as error:
        metrics.UNREADABLE.labels(resource.plural).inc()
        logger.warning("an object of %s cannot be read, and is left alone: %s", resource.plural, error)
        return None


def _selected(resource: Resource) -> dict[str, str]:
    return {"labelSelector": resource.selector} if resource.selector else {}
