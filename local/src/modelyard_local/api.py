"""A small client of the API server: enough to wait for, read, apply and patch objects."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .errors import LocalError

JsonObject = dict[str, Any]
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
MANAGER = "modelyard-local"


class ApiError(LocalError):
    """The API server answered with an error; `code` is its HTTP status."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class ApiClient:
    """Talks to one API server with the client certificate `pki/user.crt`."""

    def __init__(self, address: str, port: int, pki: Path, user: str = "admin") -> None:
        self._address = address
        self._port = port
        self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._context.load_cert_chain(pki / f"{user}.crt", pki / f"{user}.key")

    def is_ready(self) -> bool:
        """Return whether the server answers its readiness check with 200."""
        try:
            return self._send("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def get(self, path: str) -> JsonObject | None:
        """Return an object, or None when there is none at `path`."""
        try:
            return self.request("GET", path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def apply(self, path: str, body: JsonObject) -> JsonObject:
        """Create or update by server-side apply; the conflict goes our way."""
        return self.request("PATCH", f"{path}?fieldManager={MANAGER}&force=true", body, APPLY)

    def merge(self, path: str, body: JsonObject) -> JsonObject:
        """Update by a JSON merge patch."""
        return self.request("PATCH", path, body, MERGE)

    def mint_token(self, namespace: str, account: str, seconds: int) -> str:
        """Return a bearer token of a ServiceAccount."""
        path = f"/api/v1/namespaces/{quote(namespace)}/serviceaccounts/{quote(account)}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        return str(self.request("POST", path, body)["status"]["token"])

    def request(
        self, method: str, path: str, body: JsonObject | None = None, content_type: str = "application/json"
    ) -> JsonObject:
        """Send one request and return the answer; an HTTP error or a lost connection is an error that says so."""
        data = None if body is None else json.dumps(body).encode()
        try:
            status, answer = self._send(method, path, data, content_type)
        except (OSError, http.client.HTTPException) as error:
            raise LocalError(f"no answer from https://{self._address}:{self._port}{path}: {error}") from error
        if status >= 400:
            raise ApiError(f"{method} {path}: {status} {answer.decode(errors='replace')[:400]}", status)
        result: JsonObject = json.loads(answer)
        return result

    def _send(
        self, method: str, path: str, data: bytes | None = None, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(self._address, self._port, context=self._context, timeout=10)
        try:
            connection.request(method, path, data, {"Content-Type": content_type} if data else {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
