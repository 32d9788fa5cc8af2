"""HTTP to the API server: connections, credentials that rotate, time limits, errors."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
from msgspec import Struct

from modelyard_operator import metrics
from modelyard_operator.surroundings import Surroundings

from .credentials import Credentials
from .errors import ApiError, FencedError, UnauthorizedError, from_response

REQUEST_SECONDS = 15.0
CONNECTIONS = 48
# A watch that has been silent for longer than two bookmarks is dead, whatever the connection says.
SILENCE_SECONDS = 150.0


class Request(Struct, frozen=True):
    """One request; `plural` is for metrics."""

    method: str
    plural: str
    path: str
    body: bytes | None = None
    content: str = ""
    query: Mapping[str, str] = {}


class Transport:
    """Sends requests. Watches and the lease have connections of their own, so that neither can be starved."""

    def __init__(self, credentials: Credentials, surroundings: Surroundings) -> None:
        self._credentials = credentials
        self._clock = surroundings.clock
        self._bounded = _session(surroundings.connector(credentials.context, CONNECTIONS))
        self._unbounded = _session(surroundings.connector(credentials.context, 0))
        self.last_answer = self._clock()

    async def close(self) -> None:
        """Close all connections."""
        await self._bounded.close()
        await self._unbounded.close()

    async def send(self, request: Request, budget: Callable[[], float] | None = None, *, urgent: bool = False) -> bytes:
        """The answer to a request; asked once more with a fresh token when the first is refused.

        `budget` gives the seconds that are left for it: a leader's write must end before its lease does. FencedError
        when nothing is left. `urgent` requests wait for no free connection.
        """
        session = self._unbounded if urgent else self._bounded
        for last in (False, True):
            try:
                return await self._once(session, request, _seconds(budget))
            except UnauthorizedError:
                if last:
                    raise
                self._credentials.refresh()
        raise AssertionError("unreachable")

    async def _once(self, session: aiohttp.ClientSession, request: Request, seconds: float) -> bytes:
        headers = dict(self._credentials.authorization())
        if request.content:
            headers["Content-Type"] = request.content
        url, timeout = self._credentials.server + request.path, aiohttp.ClientTimeout(total=seconds)
        try:
            async with session.request(
                request.method, url, params=request.query, data=request.body, headers=headers, timeout=timeout
            ) as response:
                payload = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            metrics.API_REQUESTS.labels(request.method, request.plural, "0").inc()
            raise ApiError(0, f"{request.method} {request.path}: {type(error).__name__} {error}".rstrip()) from error
        self.last_answer = self._clock()
        metrics.API_REQUESTS.labels(request.method, request.plural, str(response.status)).inc()
        if response.status >= 400:
            raise from_response(response.status, payload, response.headers.get("Retry-After"))
        if response.content_type != "application/json":
            # A proxy with a page of its own must be an error of the API, not one of decoding that ends the lease.
            raise ApiError(0, f"{request.method} {request.path}: the answer is {response.content_type}, not JSON")
        return payload

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is read as it comes: a watch."""
        url, headers = self._credentials.server + request.path, self._credentials.authorization()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS, sock_read=SILENCE_SECONDS)
        async with self._unbounded.get(url, params=request.query, headers=headers, timeout=timeout) as response:
            metrics.API_REQUESTS.labels("WATCH", request.plural, str(response.status)).inc()
            if response.status == 401:
                self._credentials.refresh()
            if response.status >= 400:
                raise from_response(response.status, await response.read(), response.headers.get("Retry-After"))
            yield response


def _session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=connector, headers={"Accept": "application/json"})


def _seconds(budget: Callable[[], float] | None) -> float:
    if budget is None:
        return REQUEST_SECONDS
    left = budget()
    if left <= 0:
        raise FencedError("the lease is not held any more")
    return min(REQUEST_SECONDS, left)
