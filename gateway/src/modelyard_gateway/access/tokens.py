"""What a bearer token says of itself. Pure.

Nothing here is proof: the API server checks the signature. But a token that does not even claim to be for us, or that
claims to have ended, need not be sent there, so a flood of garbage costs the API server nothing.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence

import msgspec
from msgspec import Struct

LONGEST = 16 * 1024
"""Characters; tokens of identity providers with many groups have some thousands."""


class MalformedError(Exception):
    """There is no usable token; the message says what is wrong, and never holds any of it."""


class Claims(Struct, frozen=True):
    """The registered claims of RFC 7519 that we look at."""

    aud: str | list[str] = ""
    exp: float = 0.0

    @property
    def audiences(self) -> list[str]:
        """For whom it was made."""
        return [self.aud] if isinstance(self.aud, str) else self.aud


def bearer(header: str | None) -> str:
    """The token of an Authorization header. MalformedError, also when there are two: Envoy joins them by a comma."""
    if header is None:
        raise MalformedError("no Authorization header")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise MalformedError("the Authorization header is not `Bearer TOKEN`")
    if len(token) > LONGEST:
        raise MalformedError(f"the token is longer than {LONGEST} characters")
    if not token.isascii() or any(one in token for one in ", \t"):
        raise MalformedError("the Authorization header holds more than one token")
    return token


def fingerprint(token: str) -> bytes:
    """By what a token is remembered: SHA-256, so that no cache holds one."""
    return hashlib.sha256(token.encode()).digest()


def check(token: str, audiences: Sequence[str], now: float) -> None:
    """MalformedError when a token itself says that it is not for us, or not any more. `now` is in Unix seconds."""
    parts = token.split(".")
    if len(parts) != 3:
        raise MalformedError("the token is not a JSON web token")
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)), type=Claims)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise MalformedError("the token's claims cannot be read") from error
    if not set(claims.audiences) & set(audiences):
        raise MalformedError(f"the token is not for the audience {' or '.join(audiences)}")
    if claims.exp and claims.exp <= now:
        raise MalformedError("the token has expired")
