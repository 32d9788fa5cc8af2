"""How Envoy is begun, and how it is emptied before its end. Its interface is played by a server on a socket."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from modelyard_gateway import carrier
from modelyard_gateway.carrier import NoEnvoyError, arguments, drain
from modelyard_gateway.envoy.bootstrap import admin_socket
from modelyard_gateway.settings import Settings


class Interface:
    """Envoy's interface: requests that are active, as each question finds them."""

    def __init__(self) -> None:
        self.active: Iterator[int] = iter(())
        self.failed = False
        self.now = 0.0

    async def fail(self, _: web.Request) -> web.Response:
        self.failed = True
        return web.Response(text="OK\n")

    async def stats(self, _: web.Request) -> web.Response:
        assert self.failed, "clients are asked to go before anybody waits for them"
        return web.Response(text=f"http.models.downstream_rq_active: {next(self.active)}\n")

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
async def interface(tmp_path: Path) -> AsyncIterator[Interface]:
    found = Interface()
    application = web.Application()
    application.router.add_post("/healthcheck/fail", found.fail)
    application.router.add_get("/stats", found.stats)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.UnixSite(runner, str(admin_socket(tmp_path))).start()
    yield found
    await runner.cleanup()


async def test_it_waits_for_the_last_request(interface: Interface, tmp_path: Path) -> None:
    interface.active = iter([2] * 40 + [1] * 40 + [0])
    assert await drain(Settings(folder=tmp_path), interface.clock, interface.sleep) == 0
    assert interface.now == 80 * carrier.POLL_SECONDS
    assert interface.now > carrier.LINGER_SECONDS


async def test_an_idle_gateway_lingers_for_clients_who_do_not_know_yet(interface: Interface, tmp_path: Path) -> None:
    interface.active = iter([0] * 1000)
    assert await drain(Settings(folder=tmp_path), interface.clock, interface.sleep) == 0
    assert interface.now == carrier.LINGER_SECONDS


async def test_requests_that_take_too_long_are_counted(interface: Interface, tmp_path: Path) -> None:
    interface.active = iter([3] * 1000)
    assert await drain(Settings(folder=tmp_path, drain_timeout=20), interface.clock, interface.sleep) == 3
    assert interface.now == 20


async def test_an_envoy_that_is_gone_is_named_by_its_socket(tmp_path: Path) -> None:
    with pytest.raises(NoEnvoyError, match=r"admin\.sock"):
        await drain(Settings(folder=tmp_path))


def test_an_image_without_envoy_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoEnvoyError, match="no program `envoy`"):
        carrier.become_envoy(Settings(folder=tmp_path), {"PATH": str(tmp_path)})


def test_envoy_is_called_with_the_threads_of_the_settings(tmp_path: Path) -> None:
    found = arguments("envoy", tmp_path / "bootstrap.json", Settings(envoy_threads=3))
    assert found[found.index("--concurrency") + 1] == "3"
    assert "--disable-hot-restart" in found
