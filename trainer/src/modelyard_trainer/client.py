"""V2 inference over one kept-alive HTTP connection; plain standard library, so that it runs anywhere."""

import http.client
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson


class ServerError(Exception):
    """The server refused or cannot be reached; the message holds its own words."""


class Client:
    """Talks to one model. A token is read anew for each request: the kubelet replaces those that it mounts."""

    def __init__(self, url: str, token: Path | None = None, timeout: float = 30.0) -> None:
        self._token = token
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ServerError(f"{url}: expected http://host or http://host:port")
        self._url = url
        self._base = parts.path.rstrip("/")
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout)

    def wait_ready(self, model: str, seconds: float) -> None:
        """Wait until the model is ready; raises ServerError with the last answer."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                status, body = self._send("GET", f"/v2/models/{model}/ready", None)
                last = f"{status} {body.decode(errors='replace')[:200]}"
                if status in {200, 404}:
                    break
            except ServerError as error:
                last = str(error)
            if time.monotonic() >= deadline:
                raise ServerError(f"{self._url}: model {model} is not ready after {seconds:g} s: {last}")
            time.sleep(0.5)
        if status == 404:
            raise ServerError(f"{self._url}: {last}")

    def metadata(self, model: str) -> dict[str, Any]:
        """Inputs, outputs, versions."""
        return self._json("GET", f"/v2/models/{model}", None)

    def infer(self, model: str, inputs: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Send tensors (numpy data is allowed) and return the outputs by name."""
        body = orjson.dumps({"inputs": inputs}, option=orjson.OPT_SERIALIZE_NUMPY)
        document = self._json("POST", f"/v2/models/{model}/infer", body)
        return {output["name"]: output for output in document["outputs"]}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _json(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        status, content = self._send(method, path, body)
        if status != 200:
            raise ServerError(f"{method} {path}: {status} {content.decode(errors='replace')[:300]}")
        document: dict[str, Any] = orjson.loads(content)
        return document

    def _send(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        try:
            headers = {"Content-Type": "application/json"}
            if self._token is not None:
                headers["Authorization"] = f"Bearer {self._token.read_text().strip()}"
            self._connection.request(method, self._base + path, body, headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise ServerError(f"{self._url}: {type(error).__name__}: {error}") from error
