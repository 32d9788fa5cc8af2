"""What a token says of itself, before anybody is asked."""

import base64
import json
from typing import Any

import pytest

from modelyard_gateway.access import tokens
from modelyard_gateway.access.tokens import MalformedError

OURS = ("modelyard.dev/inference",)


def token(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"head.{body}.signature"


def test_a_bearer_token_is_taken_whatever_the_case_of_the_scheme() -> None:
    assert tokens.bearer("Bearer abc") == tokens.bearer("bearer abc") == "abc"


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (None, "no Authorization header"),
        ("", "is not `Bearer TOKEN`"),
        ("Bearer", "is not `Bearer TOKEN`"),
        ("Bearer ", "is not `Bearer TOKEN`"),
        ("Basic abc", "is not `Bearer TOKEN`"),
        ("Bearer a,Bearer b", "more than one token"),
        ("Bearer a b", "more than one token"),
        ("Bearer ä", "more than one token"),
        (f"Bearer {'a' * 20_000}", "longer than 16384 characters"),
    ],
)
def test_what_is_no_bearer_token(header: str | None, said: str) -> None:
    with pytest.raises(MalformedError, match=said) as refused:
        tokens.bearer(header)
    assert "aaa" not in str(refused.value)


@pytest.mark.parametrize("audience", [OURS[0], [OURS[0]], ["other", OURS[0]]])
def test_a_token_for_us_is_worth_a_question(audience: object) -> None:
    tokens.check(token(aud=audience, exp=101), OURS, now=100)
    tokens.check(token(aud=audience), OURS, now=100)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("abc", "not a JSON web token"),
        ("a.b.c.d", "not a JSON web token"),
        ("a.!!!.c", "cannot be read"),
        ("a.e30x.c", "cannot be read"),
        (f"a.{base64.urlsafe_b64encode(b'[]').decode()}.c", "cannot be read"),
        (token(aud=5), "cannot be read"),
        (token(), "not for the audience modelyard.dev/inference"),
        (token(aud="other"), "not for the audience"),
        (token(aud=OURS[0], exp=100), "expired"),
    ],
)
def test_a_token_that_says_itself_that_it_is_of_no_use(given: str, said: str) -> None:
    with pytest.raises(MalformedError, match=said):
        tokens.check(given, OURS, now=100)


def test_a_fingerprint_holds_nothing_of_the_token() -> None:
    assert len(tokens.fingerprint("abc")) == 32
    assert b"abc" not in tokens.fingerprint("abc")
