"""Refusals, in the words of the protocol that was asked. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from .envoy import REASON_HEADER

Reason = Literal[
    "NoToken",
    "InvalidToken",
    "InvalidKey",
    "ExpiredKey",
    "Forbidden",
    "NoModel",
    "NoSuchPath",
    "NoSuchModel",
    "NotServing",
    "TooLarge",
    "CannotCheck",
    "Busy",
    "TooFast",
    "BudgetSpent",
]
STATUS: Mapping[Reason, int] = {
    "NoModel": 400,
    "NoToken": 401,
    "InvalidToken": 401,
    "InvalidKey": 401,
    "ExpiredKey": 401,
    "Forbidden": 403,
    "NoSuchPath": 404,
    "NoSuchModel": 404,
    "TooLarge": 413,
    "Busy": 429,
    "TooFast": 429,
    "BudgetSpent": 429,
    "NotServing": 503,
    "CannotCheck": 503,
}
# OpenAI's clients show `type` and `code` of an error; the words are theirs.
_OPENAI_TYPE: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "permission_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
    503: "server_error",
}
_OPENAI_TYPE_OF: Mapping[Reason, str] = {"BudgetSpent": "insufficient_quota"}
RETRY_SECONDS: Mapping[Reason, int] = {"Busy": 1, "NotServing": 2, "CannotCheck": 1, "TooFast": 1, "BudgetSpent": 3600}


class Refused(Struct, frozen=True):
    """Why a request does not get through; the message says what helps, and `retry_seconds` when to try again."""

    reason: Reason
    message: str
    who: str = ""
    retry_seconds: int = 0

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS[self.reason]

    @property
    def ours(self) -> bool:
        """Whether it says something of us rather than of the request: Envoy would not pass such an answer on."""
        return self.status >= 500

    def headers(self) -> dict[str, str]:
        """Headers of the answer, beside its type."""
        found: dict[str, str] = {REASON_HEADER: self.reason}
        if self.status == 401:
            found["www-authenticate"] = 'Bearer realm="modelyard"'
        if seconds := self.retry_seconds or RETRY_SECONDS.get(self.reason):
            found["retry-after"] = str(seconds)
        return found

    def body(self, path: str) -> bytes:
        """The answer as clients of this path read it: an OpenAI error object, or `{"error": …}`."""
        if "/chat/" in path or "/completions" in path or "/embeddings" in path or "/openai/" in path:
            kind = _OPENAI_TYPE_OF.get(self.reason, _OPENAI_TYPE[self.status])
            error = {"message": self.message, "type": kind, "code": self.reason, "param": None}
            return msgspec.json.encode({"error": error})
        return msgspec.json.encode({"error": self.message})


def models(found: Sequence[tuple[str, str]]) -> bytes:
    """A list of models as OpenAI's clients read it."""
    data = [{"id": f"{space}/{name}", "object": "model", "created": 0, "owned_by": space} for space, name in found]
    return msgspec.json.encode({"object": "list", "data": data})
