"""The informer beside a server that misbehaves, over real HTTP on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest
from aiohttp import web

from modelyard_operator.api.objects import Node
from modelyard_operator.cache import Store
from modelyard_operator.kube import resources
from modelyard_operator.kube.client import Client
from modelyard_operator.kube.credentials import Credentials
from modelyard_operator.kube.errors import ApiError
from modelyard_operator.kube.informer import BEHIND_SECONDS, HistoryLostError, Informer
from modelyard_operator.kube.throttle import Throttle
from modelyard_operator.kube.transport import Transport
from modelyard_operator.surroundings import Surroundings

Answer = Callable[[web.Request], web.StreamResponse]


class Server:
    """An API server that says what a test tells it to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.answers: list[Answer] = []
        self.store = Store(lambda _: None)

    async def start(self) -> Informer:
        async def answer(request: web.Request) -> web.StreamResponse:
            return self.answers.pop(0)(request)

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        surroundings = Surroundings(clock=lambda: self.now, chance=lambda: 0.0)
        credentials = Credentials(server=f"http://127.0.0.1:{port}", context=ssl.create_default_context())
        self.transport = Transport(credentials, surroundings)
        client = Client(self.transport, Throttle(1e6, 10**6, surroundings.clock), lambda: 1.0)
        return Informer(client, resources.NODES, "", self.store, surroundings)

    async def stop(self) -> None:
        await self.transport.close()
        await self._runner.cleanup()


def listing(version: str, *names: str) -> Answer:
    items = [{"metadata": {"name": name, "resourceVersion": version}} for name in names]
    body = {"metadata": {"resourceVersion": version}, "items": items}
    return lambda _: web.json_response(body)


def page(_: web.Request) -> web.Response:
    return web.Response(text="<html>please log in</html>", content_type="text/html")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    yield found
    await found.stop()


def names(server: Server) -> list[str]:
    nodes: list[Node] = list(server.store)
    return [one.metadata.name for one in nodes]


async def test_a_list_that_is_older_than_what_was_seen_is_not_believed(server: Server) -> None:
    informer = await server.start()
    server.answers = [listing("20", "a", "b"), listing("10", "a"), listing("21", "b")]
    await informer._relist()
    with pytest.raises(ApiError, match="older than 20"):
        await informer._relist()
    assert names(server) == ["a", "b"]
    await informer._relist()
    assert names(server) == ["b"]


async def test_a_list_in_pages_that_breaks_off_removes_nothing(server: Server) -> None:
    first = {"metadata": {"resourceVersion": "30", "continue": "more"}, "items": [{"metadata": {"name": "c"}}]}
    informer = await server.start()
    server.answers = [listing("20", "a", "b"), lambda _: web.json_response(first), page]
    await informer._relist()
    with pytest.raises(ApiError, match="answered with text/html"):
        await informer._relist()
    assert names(server) == ["a", "b", "c"]


async def test_a_store_that_was_put_back_ends_the_process(server: Server) -> None:
    informer = await server.start()
    server.answers = [listing("20", "a"), listing("10", "a"), listing("11", "a")]
    await informer._relist()
    with pytest.raises(ApiError):
        await informer._relist()
    server.now = BEHIND_SECONDS + 1
    with pytest.raises(HistoryLostError, match="starting again with empty caches"):
        await informer._relist()


async def test_a_page_of_a_proxy_is_no_empty_list(server: Server) -> None:
    informer = await server.start()
    server.answers = [listing("20", "a"), page]
    await informer._relist()
    with pytest.raises(ApiError, match="answered with text/html"):
        await informer._relist()
    assert names(server) == ["a"]


async def test_a_page_of_a_proxy_is_no_watch(server: Server) -> None:
    informer = await server.start()
    server.answers = [listing("20", "a"), page]
    await informer._relist()
    with pytest.raises(ApiError, match="answered with text/html"):
        await informer._follow()


async def test_the_informer_goes_on_until_it_is_cancelled(server: Server) -> None:
    def end(_: web.Request) -> web.StreamResponse:
        task.cancel()
        return web.json_response({})

    informer = await server.start()
    event = {"type": "ADDED", "object": {"metadata": {"name": "c", "resourceVersion": "22"}}}
    watch = web.Response(body=msgspec.json.encode(event) + b"\n", content_type="application/json")
    server.answers = [page, listing("20", "a"), lambda _: watch, end]
    task = asyncio.create_task(informer.run())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names(server) == ["a", "c"]
