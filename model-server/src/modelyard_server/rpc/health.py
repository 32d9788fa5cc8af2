"""grpc.health.v1: the server under the empty name and that of its service, and every model under its own."""

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from modelyard_server.errors import NotFoundError
from modelyard_server.rpc.calls import SERVICE, Context, answering
from modelyard_server.service import ModelService

Request = health_pb2.HealthCheckRequest
Response = health_pb2.HealthCheckResponse
NAME = "grpc.health.v1.Health"
POLL = 0.25
"""Seconds between looks for those who watch; states change seldom and a look costs a microsecond."""


class Health:
    """Answers for the state at the moment of the question."""

    def __init__(self, service: ModelService) -> None:
        self._service = service

    def handler(self) -> grpc.GenericRpcHandler:
        """Both calls by name."""
        check = grpc.unary_unary_rpc_method_handler(answering(self.check), Request.FromString, _serialize)
        watch = grpc.unary_stream_rpc_method_handler(self.watch, Request.FromString, _serialize)
        return grpc.method_handlers_generic_handler(NAME, {"Check": check, "Watch": watch})

    async def check(self, request: Any, _context: Context) -> Any:
        """The state now; NOT_FOUND for a name that nobody has."""
        return Response(status=Response.SERVING if self._serves(request.service) else Response.NOT_SERVING)

    async def watch(self, request: Any, context: Context) -> None:
        """The state now and whenever it is another one."""
        told = None
        while True:
            try:
                now = (await self.check(request, context)).status
            except NotFoundError:
                now = Response.SERVICE_UNKNOWN
            if now != told:
                await context.write(Response(status=now))
            told = now
            await asyncio.sleep(POLL)

    def _serves(self, name: str) -> bool:
        return self._service.ready if name in ("", SERVICE) else self._service.model_ready(name)


def _serialize(message: Any) -> bytes:
    content: bytes = message.SerializeToString()
    return content
