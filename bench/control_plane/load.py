"""The client that creates models, and a second one that watches what becomes of them."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

AT_ONCE = 32
MODELS = "/apis/modelyard.dev/v1alpha1/namespaces/{}/modeldeployments"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"
SERVICES = "/api/v1/namespaces/{}/services"
PODS = "/api/v1/namespaces/{}/pods"
MODEL_LABEL = "modelyard.dev/model"
APPLY = "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"


def context(pki: Path) -> ssl.SSLContext:
    """TLS as the administrator."""
    made = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    made.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    return made


class _Condition(Struct, frozen=True):
    type: str
    status: str


class _Status(Struct, frozen=True, rename="camel"):
    conditions: list[_Condition] = []
    available_replicas: int = 0


class _Metadata(Struct, frozen=True, rename="camel"):
    name: str = ""
    labels: dict[str, str] = {}
    resource_version: str = ""


class Seen(Struct, frozen=True):
    """What the watcher reads of an object."""

    metadata: _Metadata
    status: _Status = _Status()

    @property
    def model(self) -> str:
        """The model that it belongs to."""
        return self.metadata.labels.get(MODEL_LABEL, self.metadata.name)


class _Event(Struct):
    type: str
    object: msgspec.Raw


class _List(Struct):
    metadata: _Metadata
    items: list[Seen] = []


def model(namespace: str, name: str) -> dict[str, Any]:
    """A ModelDeployment of six lines."""
    return {
        "apiVersion": "modelyard.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": {"uri": f"s3://models/{name}/1"}},
    }


def exists(_: Seen) -> bool:
    """True of every object that is there."""
    return True


def is_available(seen: Seen) -> bool:
    """Whether a Deployment has its replica."""
    return seen.status.available_replicas > 0


def is_ready(seen: Seen) -> bool:
    """Whether a ModelDeployment is Ready."""
    return any(one.type == "Ready" and one.status == "True" for one in seen.status.conditions)


class Client:
    """Connections of one client to one API server, https or http."""

    def __init__(self, server: str, pki: Path | None) -> None:
        self._server = server
        connector = aiohttp.TCPConnector(limit=0, ssl=True if pki is None else context(pki))
        self._session = aiohttp.ClientSession(connector=connector)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, method: str, path: str, body: Mapping[str, Any] | None = None, content: str = "") -> bytes:
        """The answer to a request; an error names it."""
        headers = {"Content-Type": content or "application/json"} if body is not None else {}
        data = None if body is None else json.dumps(body).encode()
        async with self._session.request(method, self._server + path, data=data, headers=headers) as response:
            answer = await response.read()
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {answer[:300]!r}")
        return answer

    async def create(self, namespace: str, name: str) -> float:
        """Create a model; the time at which the API server had it."""
        await self.send("POST", MODELS.format(namespace), model(namespace, name))
        return time.monotonic()

    async def apply(self, path: str, manifest: Mapping[str, Any]) -> None:
        """Create or change an object by server-side apply."""
        target = f"{path}/{manifest['metadata']['name']}?fieldManager=bench&force=true"
        await self.send("PATCH", target, manifest, APPLY)

    async def items(self, path: str) -> list[Seen]:
        """All objects of a collection."""
        return msgspec.json.decode(await self.send("GET", path), type=_List).items

    async def events(self, path: str) -> AsyncIterator[Seen]:
        """Objects of a collection as they are and then as they become; listed anew whenever a watch ends."""
        timeout = aiohttp.ClientTimeout(total=None)
        while True:
            listed = msgspec.json.decode(await self.send("GET", path), type=_List)
            for one in listed.items:
                yield one
            url = f"{self._server}{path}?watch=1&resourceVersion={listed.metadata.resource_version}"
            async with self._session.get(url, timeout=timeout, read_bufsize=2**22) as response:
                async for line in response.content:
                    event = msgspec.json.decode(line, type=_Event)
                    if event.type == "ERROR":
                        break
                    if event.type != "DELETED":
                        yield msgspec.json.decode(event.object, type=Seen)


class Watch:
    """Notes when each model's object of one kind first was what is waited for, by a watch."""

    def __init__(self, client: Client, path: str, check: Callable[[Seen], bool] = exists) -> None:
        self.seen: dict[str, float] = {}
        self._client, self._path, self._check = client, path, check
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            async for one in self._client.events(self._path):
                if one.model not in self.seen and self._check(one):
                    self.seen[one.model] = time.monotonic()
                    self._changed.set()
        finally:
            self._changed.set()

    async def until(self, count: int, seconds: float = 3600) -> float:
        """Wait for so many; the time of the last one. TimeoutError says how many there were."""
        try:
            async with asyncio.timeout(seconds):
                while len(self.seen) < count:
                    self._changed.clear()
                    await self._changed.wait()
                    if self._task.done():
                        self._task.result()
        except TimeoutError:
            raise TimeoutError(f"{len(self.seen)} of {count} in {self._path} after {seconds:.0f} s") from None
        return max(self.seen.values())

    async def end(self) -> None:
        """Stop watching."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def spread(work: Iterable[Callable[[], Awaitable[object]]]) -> None:
    """Do all of it, 32 at a time."""
    tasks = iter(work)

    async def one() -> None:
        for task in tasks:
            await task()

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))
