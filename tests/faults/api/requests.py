"""Requests as HTTP has them, and what their paths name. Pure."""

import base64
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from .answers import RefusedError
from .kinds import BY_PATH, Kind
from .storage import Key


class Request(Struct, frozen=True):
    """A request, as HTTP has it."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    body: bytes = b""
    content_type: str = ""
    client: str = ""
    token: str = ""


class Target(Struct, frozen=True):
    """What a path names."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        """Of the object."""
        return self.namespace, self.name


def parse(path: str) -> Target:
    """What a path names; RefusedError 404 when the server does not know it."""
    parts = path.strip("/").split("/")
    cut = 2 if parts[0] == "api" else 3
    root, rest = "/" + "/".join(parts[:cut]), parts[cut:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    kind = BY_PATH.get((root, rest[0])) if rest else None
    if kind is None or len(rest) > 3 or (len(rest) == 3 and not (rest[2] == "status" and kind.status)):
        raise RefusedError(404, "the server could not find the requested resource")
    name, subresource, *_ = [*rest[1:], "", ""]
    return Target(kind, namespace, name, subresource)


def token_of(version: int, last: Key) -> str:
    """The continue token of a list: from which version, after which object."""
    return base64.urlsafe_b64encode(msgspec.json.encode([version, *last])).decode()


def version_and_key(token: str) -> tuple[int, Key]:
    """What a continue token says; RefusedError 400 when it is none."""
    try:
        version, namespace, name = msgspec.json.decode(base64.urlsafe_b64decode(token), type=tuple[int, str, str])
    except ValueError as error:
        raise RefusedError(400, f"invalid continue token: {token}") from error
    return version, (namespace, name)
