"""What the API server sends in a watch besides objects: bookmarks and errors, in its own words."""

import msgspec
import pytest

from modelyard_operator.kube.errors import (
    ApiError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    NotOwnedError,
    ThrottledError,
    UnauthorizedError,
    from_response,
    is_refusal,
)
from modelyard_operator.kube.watching import WatchEvent, event_version, watch_error


def event(text: str) -> WatchEvent:
    return msgspec.json.decode(text, type=WatchEvent)


def test_a_bookmark_has_a_version_and_no_name() -> None:
    found = event(
        '{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"12746"}}}'
    )
    assert event_version(found) == "12746"


def test_a_version_that_is_too_old_means_to_list_again() -> None:
    gone = event(
        '{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
        '"message":"too old resource version: 1 (9)","reason":"Expired","code":410}}'
    )
    found = watch_error(gone)
    assert isinstance(found, GoneError)
    assert "too old resource version" in str(found)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidError),
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (410, GoneError),
        (422, InvalidError),
        (429, ThrottledError),
        (500, ApiError),
        (503, ApiError),
    ],
)
def test_a_status_names_what_to_do_next(status: int, kind: type[ApiError]) -> None:
    assert type(from_response(status, b'{"message": "because"}', None)) is kind


def test_the_server_s_wish_to_wait_is_kept() -> None:
    assert from_response(429, b"{}", "7").retry_after == 7
    assert from_response(429, b"{}", "Wed, 21 Oct 2026 07:28:00 GMT").retry_after is None


def test_what_a_proxy_says_is_cut() -> None:
    found = from_response(502, b"<html><h1>Bad\n gateway</h1>" + b"x" * 5000, None)
    assert found.message.startswith("Bad gateway x")
    assert len(found.message) == 512
    assert str(from_response(500, b"", None)) == "HTTP 500 (HTTP 500)"


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (NotOwnedError("taken"), True),
        (from_response(403, b"{}", None), True),
        (from_response(422, b"{}", None), True),
        (from_response(413, b"{}", None), True),
        (from_response(500, b'{"message": "etcdserver: request is too large"}', None), True),
        (from_response(500, b'{"message": "failed to create typed patch object (team/x; apps/v1)"}', None), True),
        (from_response(500, b'{"message": "Internal error occurred: failed calling webhook \\"w\\""}', None), True),
        (from_response(500, b'{"message": "etcdserver: request timed out"}', None), False),
        (from_response(409, b"{}", None), False),
        (from_response(429, b"{}", None), False),
        (ApiError(0, "connection refused"), False),
    ],
)
def test_a_refusal_is_told_apart_from_a_server_in_trouble(error: ApiError, refusal: bool) -> None:
    assert is_refusal(error) is refusal
