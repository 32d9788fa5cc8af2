"""One request -> allowed or refused."""

import time
from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from modelyard_gateway.answers import Refused
from modelyard_gateway.directory import Directory
from modelyard_gateway.keys.gatekeeper import Gatekeeper, is_key, opens
from modelyard_operator.kube.errors import ApiError

from . import tokens
from .remembering import Remembered
from .reviews import NOBODY, Identity, Reviews
from .target import Target, find

# Seconds for which an answer of the API server holds. Whoever loses a right keeps it for so long at most.
ALLOWED_SECONDS = 60.0
DENIED_SECONDS = 5.0
MOST_IDENTITIES = 20_000
MOST_PERMISSIONS = 50_000


class Asked(Struct, frozen=True):
    """What Envoy tells of a request. `length` is -1 when the client does not say."""

    path: str
    host: str
    authorization: str | None = None
    content_type: str = ""
    length: int = -1


class Allowed(Struct, frozen=True):
    """The request may go to these pods; `warning` is for the answer."""

    cluster: str
    who: str
    target: Target
    warning: str = ""


class Rules(Struct, frozen=True):
    """What holds for every request."""

    audiences: tuple[str, ...]
    domain: str = ""
    longest_body: int = 64 * 1024 * 1024


class Authorizer:
    """Decides; everything that is asked of the API server is remembered for a while."""

    def __init__(
        self,
        reviews: Reviews,
        directory: Directory,
        rules: Rules,
        keys: Gatekeeper | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._reviews = reviews
        self._directory = directory
        self._rules = rules
        self._keys = keys
        self._wall = wall
        self._identities: Remembered[bytes, Identity] = Remembered(
            MOST_IDENTITIES, lambda who: DENIED_SECONDS if who is NOBODY else ALLOWED_SECONDS, clock
        )
        self._permissions: Remembered[tuple[bytes, str, str], bool] = Remembered(
            MOST_PERMISSIONS, lambda may: ALLOWED_SECONDS if may else DENIED_SECONDS, clock
        )

    async def decide(self, asked: Asked) -> Allowed | Refused:
        """Whether a request gets through, and where to."""
        target = find(asked.path, asked.host, asked.content_type, self._rules.domain)
        try:
            token = tokens.bearer(asked.authorization)
            if self._keys and is_key(token):
                return await self._with_key(asked, self._keys, token, target)
            key = tokens.fingerprint(token)
            if (who := self._identities.known(key)) is None:
                tokens.check(token, self._rules.audiences, self._wall())
                who = await self._identities.get(key, lambda: self._reviews.identify(token))
        except tokens.MalformedError as error:
            missing = asked.authorization is None
            return Refused("NoToken" if missing else "InvalidToken", f"{error}; {_hint(self._rules.audiences)}")
        except ApiError as error:
            return _unchecked(error)
        if who is NOBODY:
            return Refused("InvalidToken", f"the API server does not accept the token; {_hint(self._rules.audiences)}")
        if target is None:
            return _no_such_path(who.name)
        return await self._permitted(asked, key, who, target)

    async def _permitted(self, asked: Asked, key: bytes, who: Identity, target: Target) -> Allowed | Refused:
        namespace, name = target.namespace, target.name
        try:
            may = await self._permissions.get((key, namespace, name), lambda: self._reviews.may(who, namespace, name))
        except ApiError as error:
            return _unchecked(error)
        if not may:
            # Also for a model that does not exist: who may not use a namespace learns nothing of what is in it.
            message = f"{who.name} may not `create modeldeployments/inference` of {name} in namespace {namespace}"
            return Refused("Forbidden", message, who.name)
        return self._way(asked, who.name, target)

    async def _with_key(self, asked: Asked, keys: Gatekeeper, token: str, target: Target | None) -> Allowed | Refused:
        """The same for an InferenceKey, of which Kubernetes knows nothing."""
        held = keys.identify(token)
        if isinstance(held, Refused):
            return held
        if target is None:
            return _no_such_path(held.name)
        namespace, name = target.namespace, target.name
        if not opens(held.key, namespace, self._directory.metadata(namespace, name), name):
            message = f"the key {held.issued.prefix}… is not for {name} in namespace {namespace}"
            return Refused("Forbidden", message, held.name)
        way = self._way(asked, held.name, target)
        if isinstance(way, Refused):
            return way
        admitted = await keys.admit(held)
        return admitted if isinstance(admitted, Refused) else replace(way, warning=admitted.warning)

    def _way(self, asked: Asked, who: str, target: Target) -> Allowed | Refused:
        """Where a request goes that may go there."""
        namespace, name = target.namespace, target.name
        place = self._directory.find(namespace, name)
        if place is None:
            return Refused("NoSuchModel", f"there is no ModelDeployment {name} in namespace {namespace}", who)
        if asked.length > self._rules.longest_body:
            message = f"the body has {asked.length} bytes; at most {self._rules.longest_body} are taken"
            return Refused("TooLarge", message, who)
        cluster = place.cluster(target.protocol)
        if cluster is None:
            return Refused("NotServing", f"no replica of {name} in namespace {namespace} is ready", who)
        return Allowed(cluster, who, target)


def _hint(audiences: Sequence[str]) -> str:
    return f"send `Authorization: Bearer TOKEN`, as `kubectl create token NAME --audience={audiences[0]}` makes it"


def _no_such_path(who: str) -> Refused:
    return Refused("NoSuchPath", "paths are /{namespace}/{model}/v2/…, /v1/… and /openai/v1/…", who)


def _unchecked(error: ApiError) -> Refused:
    if error.status == 429:
        return Refused("Busy", "too many tokens wait to be checked; try again")
    return Refused("CannotCheck", "the API server, which knows who may do what, cannot be asked; try again")
