"""The two servers that are compared, both over HTTP: a real kube-apiserver, and the fake."""

import asyncio
import http.client
import json
import threading
import time
from pathlib import Path
from typing import Any, Protocol

import yaml

from faults.server import serve
from modelyard_local.controlplane import ControlPlane

Body = Any
CRDS = sorted((Path(__file__).parents[3] / "manifests" / "crds").glob("*.yaml"))


class Server(Protocol):
    """What a conformance test asks."""

    def send(self, method: str, path: str, body: Body = None, content_type: str = "") -> tuple[int, bytes]:
        """Status and body of the answer."""
        ...


class Real:
    """A control plane on loopback."""

    def __init__(self, directory: Path) -> None:
        self._plane = ControlPlane(directory / "plane", controller_manager=True)
        self._plane.start()
        self._client = self._plane.client()
        for document in CRDS:
            path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            status, raw = self.send("POST", path, yaml.safe_load(document.read_text()), "application/json")
            assert status == 201, raw
        deadline = time.monotonic() + 30
        while self.send("GET", "/apis/modelyard.dev/v1alpha1/modeldeployments")[0] != 200:
            assert time.monotonic() < deadline, "the CRDs are never served"
            time.sleep(0.05)

    def send(self, method: str, path: str, body: Body = None, content_type: str = "") -> tuple[int, bytes]:
        """Over TLS, as administrator."""
        data = None if body is None else json.dumps(body).encode()
        return self._client._send(method, path, data, content_type)

    def close(self) -> None:
        """Stop it."""
        self._plane.stop()


class Fake:
    """The fake in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(serve(0, world=True), self._loop).result()
        self._port: int = self._server.sockets[0].getsockname()[1]

    def send(self, method: str, path: str, body: Body = None, content_type: str = "") -> tuple[int, bytes]:
        """Over plain HTTP."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, {"Content-Type": content_type} if data else {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def close(self) -> None:
        """Stop it."""

        async def end() -> None:
            self._server.close()
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
