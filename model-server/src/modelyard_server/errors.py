"""Errors, named for what the caller does next.

`RequestError` answers one HTTP request and the server goes on; `StartupError` and `FetchError` end the process and
tell the operator through the termination message why.
"""

from typing import Literal

FetchReason = Literal["ModelNotFound", "CredentialsRejected", "DigestMismatch", "UnsafeFormat", "FetchFailed"]
StartupReason = Literal["LoadFailed", "UnsafeFormat"]


class RequestError(Exception):
    """Answers one request with `status` and an `{"error": message}` body."""

    status = 400
    retry_after: int | None = None


class BadRequestError(RequestError):
    """The client must change the request."""


class ContextLengthError(BadRequestError):
    """The prompt is longer than the model's context: the client must shorten it."""


class NotFoundError(RequestError):
    """No such model, version or route."""

    status = 404


class BodyTimeoutError(RequestError):
    """The client did not send the body it had announced; it may try again on a new connection."""

    status = 408


class BodyTooLargeError(RequestError):
    """The client must send smaller requests."""

    status = 413


class OverloadedError(RequestError):
    """The queue is full: the client retries after a second, or another replica answers."""

    status = 429
    retry_after = 1


class InferenceError(RequestError):
    """The model itself failed on this input."""

    status = 500


class UnsupportedError(RequestError):
    """This server is not set up to do it."""

    status = 501


class NotReadyError(RequestError):
    """Loading, draining or failed: another replica answers."""

    status = 503
    retry_after = 1


class DeadlineExceededError(RequestError):
    """The request waited in the queue for longer than the server's limit, or than its own."""

    status = 504


class PackageError(ValueError):
    """A model package breaks its format; the message names the file, the field and the remedy."""


class StartupError(Exception):
    """The server cannot serve this package; the process exits 1."""

    def __init__(self, reason: StartupReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class FetchError(Exception):
    """The package cannot be fetched; the process exits 1 and the kubelet tries again."""

    def __init__(self, reason: FetchReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TransientError(Exception):
    """A network or server fault that a later try may not meet."""
