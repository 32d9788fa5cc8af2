"""The gRPC port: on the event loop of the REST server, with the same limits."""

import logging

import grpc

from modelyard_server.rpc.calls import Calls
from modelyard_server.rpc.health import Health
from modelyard_server.rpc.interceptors import AccessLog, Guard
from modelyard_server.service import ModelService

log = logging.getLogger(__name__)


MAX_AGE = 60.0
"""Seconds after which a connection is asked to move on. A client would else keep to one replica for ever."""


class RpcServer:
    """A listening server; it must be made and used on the event loop."""

    def __init__(self, service: ModelService) -> None:
        settings = service.settings
        self._server = grpc.aio.server(
            interceptors=_interceptors(service),
            options=[
                ("grpc.so_reuseport", 0),  # else a second server would take half of the first one's clients
                ("grpc.max_receive_message_length", settings.max_body_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_connection_age_ms", _age_ms(settings.drain_timeout)),
            ],
        )
        self._server.add_generic_rpc_handlers((Calls(service).handler(), Health(service).handler()))
        host = f"[{settings.host}]" if ":" in settings.host else settings.host or "[::]"
        self.port = self._server.add_insecure_port(f"{host}:{settings.grpc_port}")

    async def start(self) -> None:
        """Take calls; they are refused in words until a model is loaded."""
        await self._server.start()
        log.info("listening for gRPC", extra={"port": self.port})

    async def stop(self, grace: float) -> None:
        """Take no more calls, give what runs `grace` seconds, and end. A call that comes just then is cancelled."""
        await self._server.stop(grace)


def _interceptors(service: ModelService) -> list[grpc.aio.ServerInterceptor]:
    """The log outermost, so that it has what the guard refuses."""
    chosen: list[grpc.aio.ServerInterceptor] = []
    if service.settings.access_log == "on":
        chosen.append(AccessLog())
    if service.keys is not None:
        chosen.append(Guard(service.keys))
    return chosen


def _age_ms(drain_timeout: float) -> int:
    """Half of the drain: by its end every connection has moved on by itself, which is the one way that loses no call.

    The end of an age is announced and waited for; the end of a server is not.
    """
    return max(1, int(min(MAX_AGE, drain_timeout / 2) * 1000))
