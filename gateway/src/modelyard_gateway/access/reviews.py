"""TokenReview and SubjectAccessReview: the API server says who somebody is, and what they may do."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from modelyard_operator.api.names import GROUP
from modelyard_operator.kube.errors import ApiError
from modelyard_operator.kube.throttle import Throttle
from modelyard_operator.kube.transport import JSON, Request, Transport

# So many questions may wait; more are refused at once, so that a flood of strange tokens costs neither memory nor time.
MOST_WAITING = 256
TOKENS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESSES = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
VERB, RESOURCE, SUBRESOURCE = "create", "modeldeployments", "inference"


class Identity(Struct, frozen=True):
    """Somebody whom the API server knows; without a name, nobody."""

    name: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def home(self) -> str:
        """The namespace of a ServiceAccount; nobody else has one."""
        parts = self.name.split(":")
        return parts[2] if len(parts) == 4 and parts[:2] == ["system", "serviceaccount"] else ""


NOBODY = Identity()


class _User(Struct):
    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}


class _TokenStatus(Struct):
    authenticated: bool = False
    user: _User = msgspec.field(default_factory=_User)
    audiences: list[str] = []


class _TokenReview(Struct):
    status: _TokenStatus = msgspec.field(default_factory=_TokenStatus)


class _AccessStatus(Struct):
    allowed: bool = False
    denied: bool = False


class _AccessReview(Struct):
    status: _AccessStatus = msgspec.field(default_factory=_AccessStatus)


class Reviews:
    """Questions to the API server, at most so many a second that it has room for others."""

    def __init__(self, transport: Transport, throttle: Throttle, audiences: Sequence[str]) -> None:
        self._transport = transport
        self._throttle = throttle
        self._audiences = audiences
        self._waiting = 0

    async def identify(self, token: str) -> Identity:
        """Whose token it is; NOBODY when it is not valid for our audiences. Raises ApiError."""
        body = {"token": token, "audiences": list(self._audiences)}
        status = (await self._ask(TOKENS, "TokenReview", "authentication.k8s.io/v1", body, _TokenReview)).status
        # An authenticator that knows no audiences answers with none: such a token was made for everybody.
        if not status.authenticated or not set(status.audiences) & set(self._audiences):
            return NOBODY
        extra = tuple((key, tuple(values)) for key, values in sorted(status.user.extra.items()))
        return Identity(status.user.username, status.user.uid, tuple(status.user.groups), extra)

    async def may(self, who: Identity, namespace: str, name: str) -> bool:
        """Whether somebody may `create modeldeployments/inference` of this name. Raises ApiError."""
        attributes = {
            "group": GROUP,
            "resource": RESOURCE,
            "subresource": SUBRESOURCE,
            "verb": VERB,
            "namespace": namespace,
            "name": name,
        }
        body = {
            "resourceAttributes": attributes,
            "user": who.name,
            "uid": who.uid,
            "groups": list(who.groups),
            "extra": {key: list(values) for key, values in who.extra},
        }
        version = "authorization.k8s.io/v1"
        status = (await self._ask(ACCESSES, "SubjectAccessReview", version, body, _AccessReview)).status
        return status.allowed and not status.denied

    async def _ask(self, path: str, kind: str, version: str, spec: dict[str, Any], answer: type[Any]) -> Any:
        if self._waiting >= MOST_WAITING:
            raise ApiError(429, f"{self._waiting} questions to the API server wait already", 1)
        self._waiting += 1
        try:
            await self._throttle.wait()
            return await self._send(path, kind, version, spec, answer)
        finally:
            self._waiting -= 1

    async def _send(self, path: str, kind: str, version: str, spec: dict[str, Any], answer: type[Any]) -> Any:
        body = msgspec.json.encode({"apiVersion": version, "kind": kind, "spec": spec})
        plural = path.rpartition("/")[2]
        return msgspec.json.decode(await self._transport.send(Request("POST", plural, path, body, JSON)), type=answer)
