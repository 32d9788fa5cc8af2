"""The gateway as its clients see it: requests from this machine to the address of its Service, and its audit."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard_demo.kube import Kube
from modelyard_demo.scenes import GATEWAY, SYSTEM

PODS = ("-n", SYSTEM, "-l", "app.kubernetes.io/component=gateway")


@dataclass
class Answer:
    """What a client got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def reason(self) -> str:
        """Why the gateway refused it; empty when Envoy or the model did, or nobody."""
        return self.headers.get("x-modelyard-reason", "")


class Door:
    """Requests to the gateway."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self.address = (kube.get("service", GATEWAY, "-n", SYSTEM)["spec"]["clusterIP"], 80)

    def ask(
        self,
        path: str,
        token: str | None = None,
        *,
        body: bytes | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Answer:
        """GET, or POST when there is a body, on a connection of its own."""
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        try:
            sent = dict(more or {})
            if token is not None:
                sent["Authorization"] = f"Bearer {token}"
            connection.request("GET" if body is None else "POST", path, body, sent)
            found = connection.getresponse()
            return Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())
        finally:
            connection.close()

    def connect(self, timeout: float = 30.0) -> socket.socket:
        """A connection for bytes that no honest client sends."""
        return socket.create_connection(self.address, timeout)

    def raw(self, request: bytes) -> bytes:
        """What is answered to these very bytes until the other side closes."""
        with self.connect() as connection:
            connection.sendall(request)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
            return answer

    def audit(self, mark: str) -> list[dict[str, Any]]:
        """Lines of the audit of all replicas whose path or host holds a mark."""
        said = self._kube.run("logs", *PODS, "-c", "envoy", "--since=5m", "--tail=-1", "--prefix=false")
        lines = [json.loads(one) for one in said.splitlines() if one.startswith("{")]
        return [one for one in lines if mark in f"{one.get('path')} {one.get('host')}"]
