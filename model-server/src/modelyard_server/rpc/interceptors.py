"""The key and the access log before every call, as over HTTP."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from modelyard_server.keys import Keys

OPEN = frozenset({
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
})  # fmt: skip
REFUSED = "the key is missing or wrong; send it as metadata: authorization: Bearer KEY"
LONGEST = 128
log = logging.getLogger("modelyard_server.access")
Next = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]


class Guard(grpc.aio.ServerInterceptor):
    """UNAUTHENTICATED for a call without the key, before its message is read."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def intercept_service(self, continuation: Next, details: grpc.HandlerCallDetails) -> Any:
        """Pass on what is open or has the key."""
        shown = _metadata(details)
        if details.method in OPEN or self._keys.fit(shown.get("authorization", ""), shown.get("x-api-key", "")):
            return await continuation(details)
        handler = await continuation(details)
        return handler if handler is None else _as(handler, _refuse)


class AccessLog(grpc.aio.ServerInterceptor):
    """A line for each call with one answer."""

    async def intercept_service(self, continuation: Next, details: grpc.HandlerCallDetails) -> Any:
        """Wrap the call."""
        handler = await continuation(details)
        if handler is None or handler.request_streaming or handler.response_streaming:
            return handler
        call, identifier = handler.unary_unary, _metadata(details).get("x-request-id", "")[:LONGEST]

        async def logged(request: Any, context: Any) -> Any:
            started = time.perf_counter()
            try:
                return await call(request, context)
            finally:
                about = {"method": details.method, "request_id": identifier}
                log.info("answered", extra=about | _ended(request, context, time.perf_counter() - started))

        return _as(handler, logged)


def _ended(request: Any, context: Any, seconds: float) -> dict[str, object]:
    """How a call ended, and the model that it was about."""
    model = getattr(request, "model_name", "") or getattr(request, "name", "")
    code = context.code() or grpc.StatusCode.OK
    status = code.name if isinstance(code, grpc.StatusCode) else str(code)
    duration = round(seconds * 1000, 3)
    return {"protocol": "grpc", "status": status, "model": model[:LONGEST], "duration_ms": duration}


def _metadata(details: grpc.HandlerCallDetails) -> dict[str, str]:
    return {name: value for name, value in details.invocation_metadata or () if isinstance(value, str)}


async def _refuse(_request: Any, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, REFUSED)


def _as(handler: Any, call: Callable[[Any, Any], Awaitable[Any]]) -> Any:
    """A handler of the same kind with another behaviour."""
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    return make(call, handler.request_deserializer, handler.response_serializer)
