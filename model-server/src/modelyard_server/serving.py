"""Bind, load, serve, drain, exit. The port is open before the load, so probes and early clients get an answer."""

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Generator
from typing import Protocol

import uvicorn

from modelyard_server.service import ModelService
from modelyard_server.settings import Settings
from modelyard_server.web.access import AccessLog
from modelyard_server.web.front import Front
from modelyard_server.web.guard import Guard
from modelyard_server.web.inference import Handler
from modelyard_server.web.later import Later
from modelyard_server.web.traced import Traced
from modelyard_server.web.transport import HttpProtocol

KEEP_ALIVE = 75
"""Seconds; longer than the usual 60 of load balancers, so that they close idle connections, not we."""
IDLE_AFTER = 0.5
"""Seconds without a request after which a draining server takes itself to be out of every load balancer."""
LAST_CALLS = 0.5
"""Seconds for gRPC calls that came in at the very end of a drain."""
UNREAD_AFTER = 10.0
"""Seconds after which a client that takes nothing of its answer is cut off; the kernel watches, so it costs nothing."""
log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: it would end by the signal instead of exit code 0, and without a drain."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class Rpc(Protocol):
    """The gRPC server, whose module is imported only when its port is on."""

    async def start(self) -> None: ...
    async def stop(self, grace: float) -> None: ...


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT and return after the drain; raises StartupError when the model cannot load."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    service = ModelService(settings)
    listener = bind(settings.host, settings.port)
    server = create_server(service)
    rpc = create_rpc(service)
    http = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        if rpc is not None:
            await rpc.start()
        path = settings.repository or settings.model
        log.info("listening", extra={"port": listener.getsockname()[1], "model_path": str(path)})
        if await _load(service, stop):
            await stop.wait()
            await drain(service, settings.drain_timeout)
    finally:
        if rpc is not None:
            await rpc.stop(LAST_CALLS)
        service.close()
        server.should_exit = True
        await http


def create_rpc(service: ModelService) -> Rpc | None:
    """The gRPC server of one service, if its port is on."""
    if service.settings.grpc_port == 0:
        return None
    from modelyard_server.rpc.server import RpcServer  # noqa: PLC0415 (15 MB and 0.1 s)

    return RpcServer(service)


def create_app(service: ModelService) -> Handler:
    """Everything over HTTP. What is off costs nothing: it is not there."""

    def management() -> Handler:
        from modelyard_server.web import management  # noqa: PLC0415 (FastAPI; see Later)

        return management.create(service)

    app: Handler = Front(service, Later(management))
    if service.tracing is not None:
        app = Traced(app, service.tracing)
    if service.keys is not None:
        app = Guard(app, service.keys)
    return AccessLog(app) if service.settings.access_log == "on" else app


def create_server(service: ModelService) -> uvicorn.Server:
    """The HTTP server of one service."""
    config = uvicorn.Config(
        create_app(service),
        interface="asgi3",
        http=HttpProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=5,
    )
    return _Server(config)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; without a host on all addresses, IPv4 and IPv6 alike where the node has both.

    Its connections end when the client does not take a byte of its answer for UNREAD_AFTER.
    """
    listener = _bind(host, port)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_AFTER * 1000))
    return listener


def _bind(host: str, port: int) -> socket.socket:
    if host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            return socket.create_server(("::", port), family=socket.AF_INET6, backlog=2048, dualstack_ipv6=True)
    return socket.create_server(("0.0.0.0", port), backlog=2048)  # noqa: S104 (a pod's server is for its network)


async def _load(service: ModelService, stop: asyncio.Event) -> bool:
    """Load while watching for SIGTERM; False when it came first."""
    loading = asyncio.create_task(service.load())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not loading.done():
        log.info("stopped while loading")
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
        return False
    stopping.cancel()
    loading.result()
    return True


async def drain(service: ModelService, limit: float) -> None:
    """Not ready any more, but answer what still arrives, until it is quiet or the time is over.

    Endpoints are removed from load balancers while this runs; every answer carries `Connection: close`, so clients
    with open connections move on without losing a request. gRPC connections reach their age and move on likewise.
    """
    service.lifecycle.drain()
    started = time.monotonic()
    while (now := time.monotonic()) < started + limit:
        if service.inflight == 0 and now - max(started, service.last_request) >= IDLE_AFTER:
            break
        await asyncio.sleep(0.02)
    log.info("drained", extra={"seconds": round(time.monotonic() - started, 3), "unfinished": service.inflight})
