"""Errors of the API server, named for what the caller does next."""

import re

from msgspec import DecodeError, Struct, json

# Enough of a server's message to act on, too little to flood a log.
MESSAGE_LIMIT = 512
_TAG = re.compile(r"<[^>]*>")


class ApiError(Exception):
    """The API server refused or could not be reached; trying again later may help."""

    def __init__(self, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{message} (HTTP {status})" if status else message)
        self.status = status
        self.message = message
        self.retry_after = retry_after


class NotFoundError(ApiError):
    """The object does not exist."""


class ConflictError(ApiError):
    """The object is not the one that was seen: look again."""


class GoneError(ApiError):
    """The resource version is too old to watch from: list again."""


class ForbiddenError(ApiError):
    """RBAC, quota or admission refuses: say so, and try again rarely."""


class InvalidError(ApiError):
    """The object is not valid: trying the same again is useless."""


class UnauthorizedError(ApiError):
    """The credentials are not accepted any more: read them again."""


class ThrottledError(ApiError):
    """The server asks to wait `retry_after` seconds."""


class FencedError(Exception):
    """This process is not the leader any more, so it must not write."""


class NotOwnedError(ApiError):
    """An object of that name exists and belongs to somebody else."""

    def __init__(self, message: str) -> None:
        super().__init__(0, message)


_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    413: InvalidError,
    422: InvalidError,
    429: ThrottledError,
}


# Faults of the object that the server reports as its own (kubernetes/kubernetes#139253), and webhooks that fail.
_REFUSALS_WITH_500 = ("failed to create typed patch object", "failed calling webhook", "request is too large")


def is_refusal(error: ApiError) -> bool:
    """Whether the server refuses the object itself, so that only a person or a change elsewhere helps."""
    if isinstance(error, NotOwnedError | ForbiddenError | InvalidError):
        return True
    return error.status == 500 and any(words in error.message for words in _REFUSALS_WITH_500)


class _Status(Struct):
    message: str = ""


def from_response(status: int, body: bytes, retry_after: str | None) -> ApiError:
    """The error of a response; `body` is a Status object or anything that a proxy may send."""
    try:
        message = json.decode(body, type=_Status).message
    except DecodeError:
        # Not the API server's own words: a proxy's page, most often HTML.
        message = _TAG.sub(" ", body.decode(errors="replace"))
    message = " ".join(message.split())[:MESSAGE_LIMIT]
    return _BY_STATUS.get(status, ApiError)(status, message or f"HTTP {status}", _seconds(retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """Seconds to wait; the other form of the header, a date, is not used by API servers."""
    return float(retry_after) if retry_after and retry_after.isdigit() else None
