"""`spec.model.uri` -> where it is. Pure."""

from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

Scheme = Literal["s3", "https", "pvc"]
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")


class UriError(ValueError):
    """The URI can never be fetched; the message says what it should look like."""


class Location(msgspec.Struct, frozen=True):
    """`place` is the bucket, the host (with port) or the claim; `path` has no slash at either end."""

    uri: str
    scheme: Scheme
    place: str
    path: str

    @property
    def archive(self) -> str:
        """The archive's suffix, or an empty string for a directory."""
        return next((suffix for suffix in sorted(ARCHIVES, key=len, reverse=True) if self.path.endswith(suffix)), "")


_EXAMPLES = {"s3": "s3://bucket/prefix", "https": "https://host/path/model.tar.gz", "pvc": "pvc://claim/path"}


def parse(uri: str) -> Location:
    """Split and check a URI; raises UriError."""
    parts = urlsplit(uri)
    if parts.scheme not in _EXAMPLES:
        known = ", ".join(_EXAMPLES.values())
        raise UriError(f"{uri}: scheme {parts.scheme!r} is not supported; use {known}")
    if parts.username or parts.password:
        raise UriError(f"{parts.scheme}://{parts.hostname}: holds a user name or password; put them into a Secret")
    if parts.query or parts.fragment:
        raise UriError(f"{uri}: query and fragment are not supported")
    path = parts.path.strip("/") if parts.scheme == "https" else unquote(parts.path).strip("/")
    if not parts.netloc or (not path and parts.scheme != "pvc"):
        raise UriError(f"{uri}: is not complete; expected {_EXAMPLES[parts.scheme]}")
    if any(part in {"", ".", ".."} for part in path.split("/")) and path:
        raise UriError(f"{uri}: holds an empty, '.' or '..' part")
    return Location(uri, parts.scheme, parts.netloc, path)  # type: ignore[arg-type]
