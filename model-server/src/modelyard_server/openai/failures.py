"""Errors as OpenAI's error objects. Codes that it does not document become the nearest one that it does."""

from typing import Any

from modelyard_server.errors import ContextLengthError, NotFoundError, RequestError
from modelyard_server.openai.reading import FieldError

_STATUS = {408: 400, 413: 400, 501: 400, 504: 503}
"""An unread body is a wrong request; a deadline that passed in the queue is an overloaded engine."""


class ModelNotFoundError(NotFoundError):
    """No such model."""


def status(error: RequestError) -> int:
    """The status that OpenAI documents for it."""
    return _STATUS.get(error.status, error.status)


def document(error: RequestError) -> dict[str, Any]:
    """The error object."""
    code: str | None = None
    param = error.param or None if isinstance(error, FieldError) else None
    match error:
        case ContextLengthError():
            code, param = "context_length_exceeded", "messages"
        case ModelNotFoundError():
            code, param = "model_not_found", "model"
        case _ if error.status == 429:
            code = "rate_limit_exceeded"
        case _ if error.status == 504:
            code = "timeout"
    return {"error": {"message": str(error), "type": _kind(status(error)), "param": param, "code": code}}


def _kind(code: int) -> str:
    if code == 429:
        return "rate_limit_error"
    return "server_error" if code >= 500 else "invalid_request_error"
