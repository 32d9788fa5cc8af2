"""Answers of an API server: objects, and Status objects in its own words. Pure."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from .kinds import Kind

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class Answer(Struct, frozen=True):
    """What the server says."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    content_type: str = "application/json"


class RefusedError(Exception):
    """A request that the server does not carry out."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason or _REASONS.get(status, "Unknown")

    def answer(self) -> Answer:
        """As HTTP."""
        return Answer(self.status, status_object(self.status, self.message, self.reason))


def status_object(code: int, message: str, reason: str = "") -> bytes:
    """A Status object that tells a failure."""
    return msgspec.json.encode(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason or _REASONS.get(code, "Unknown"),
            "code": code,
        }
    )


def plural(kind: Kind) -> str:
    """How the server names a kind in a message."""
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def not_found(kind: Kind, name: str) -> RefusedError:
    """There is no such object."""
    return RefusedError(404, f'{plural(kind)} "{name}" not found')


def modified(kind: Kind, name: str) -> RefusedError:
    """The object is of another version than the request says."""
    text = "the object has been modified; please apply your changes to the latest version and try again"
    return RefusedError(409, f'Operation cannot be fulfilled on {plural(kind)} "{name}": {text}')


def invalid(kind: Kind, name: str, what: str) -> RefusedError:
    """The object breaks a rule."""
    return RefusedError(422, f'{kind.name} "{name}" is invalid: {what}')
