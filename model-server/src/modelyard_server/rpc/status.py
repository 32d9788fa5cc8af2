"""Our errors as gRPC codes: the same cases as over HTTP."""

import grpc

from modelyard_server.errors import RequestError

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


def code_of(error: RequestError) -> grpc.StatusCode:
    """The code of an error."""
    return CODES[error.status]


def trailers_of(error: RequestError) -> tuple[tuple[str, str], ...]:
    """When to try again, as gRPC's clients understand it."""
    return () if error.retry_after is None else (("grpc-retry-pushback-ms", str(error.retry_after * 1000)),)
