"""One request -> allowed or refused."""

import asyncio
import time
from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from modelyard_gateway.answers import Refused
from modelyard_gateway.directory import Directory
from modelyard_gateway.envoy import DOOR
from modelyard_gateway.keys.gatekeeper import Gatekeeper, is_key, opens
from modelyard_gateway.keys.ring import Held
from modelyard_operator.kube.errors import ApiError

from . import tokens
from .remembering import Remembered
from .reviews import NOBODY, Identity, Reviews
from .target import LIST, Target, Unclear, find, find_shared

# Seconds for which an answer of the API server holds. Whoever loses a right keeps it for so long at most.
ALLOWED_SECONDS = 60.0
DENIED_SECONDS = 5.0
# Kubernetes' own name for who shows nothing.
ANONYMOUS = "system:anonymous"
MOST_IDENTITIES = 20_000
MOST_PERMISSIONS = 50_000
# Namespaces that a list of models looks into.
MOST_LISTED = 50


class Asked(Struct, frozen=True):
    """What Envoy tells of a request. `length` is -1 when the client does not say."""

    path: str
    host: str
    authorization: str | None = None
    content_type: str = ""
    length: int = -1
    model: str = ""  # which the body names, at the door of all models


class Allowed(Struct, frozen=True):
    """The request may go to these pods; `warning` is for the answer."""

    cluster: str
    who: str
    target: Target
    warning: str = ""


class Known(Struct, frozen=True):
    """Somebody whom the API server knows, and by what they are remembered."""

    key: bytes
    identity: Identity

    @property
    def name(self) -> str:
        """How the audit log calls them."""
        return self.identity.name

    @property
    def home(self) -> str:
        """Their namespace, if they have one."""
        return self.identity.home


class Listed(Struct, frozen=True):
    """The request is for the list of models that somebody may ask: namespaces and names."""

    who: str
    models: tuple[tuple[str, str], ...]


class Rules(Struct, frozen=True):
    """What holds for every request."""

    audiences: tuple[str, ...]
    domain: str = ""
    longest_body: int = 64 * 1024 * 1024
    allow_public: bool = False


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

    async def decide(self, asked: Asked) -> Allowed | Listed | Refused:
        """Whether a request gets through, and where to."""
        target = find(asked.path, asked.host, asked.content_type, self._rules.domain)
        if target and self._rules.allow_public and self._directory.is_public(target.namespace, target.name):
            # Whatever is shown as a token: clients of OpenAI cannot be without one.
            return self._way(asked, ANONYMOUS, target)
        who = await self.identify(asked)
        if isinstance(who, Refused):
            return who
        if asked.path.partition("?")[0] == LIST:
            return await self._list(who)
        wanted = find_shared(asked.path, asked.model, who.home) if asked.path.startswith(DOOR) else target
        if not isinstance(wanted, Target):
            return _nowhere(wanted, who.name)
        if isinstance(who, Held):
            return await self._with_key(asked, who, wanted)
        return await self._permitted(asked, who, wanted)

    async def identify(self, asked: Asked) -> Known | Held | Refused:
        """Who asks: somebody whom the API server knows, or an InferenceKey."""
        try:
            token = tokens.bearer(asked.authorization)
            if self._keys and is_key(token):
                return self._keys.identify(token)
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
        return Known(key, who)

    async def _may(self, who: Known, namespace: str, name: str) -> bool:
        return await self._permissions.get(
            (who.key, namespace, name), lambda: self._reviews.may(who.identity, namespace, name)
        )

    async def _permitted(self, asked: Asked, who: Known, target: Target) -> Allowed | Refused:
        namespace, name = target.namespace, target.name
        try:
            may = await self._may(who, namespace, name)
        except ApiError as error:
            return _unchecked(error)
        if not may:
            # Also for a model that does not exist: who may not use a namespace learns nothing of what is in it.
            message = f"{who.name} may not `create modeldeployments/inference` of {name} in namespace {namespace}"
            return Refused("Forbidden", message, who.name)
        return self._way(asked, who.name, target)

    async def _with_key(self, asked: Asked, held: Held, target: Target) -> Allowed | Refused:
        """The same for an InferenceKey, of which Kubernetes knows nothing."""
        namespace, name = target.namespace, target.name
        if not opens(held.key, namespace, self._directory.metadata(namespace, name), name):
            message = f"the key {held.issued.prefix}… is not for {name} in namespace {namespace}"
            return Refused("Forbidden", message, held.name)
        way = self._way(asked, held.name, target)
        if isinstance(way, Refused) or self._keys is None:
            return way
        admitted = await self._keys.admit(held)
        return admitted if isinstance(admitted, Refused) else replace(way, warning=admitted.warning)

    async def _list(self, who: Known | Held) -> Listed | Refused:
        """Models that somebody may ask. Of rights those for all models of a namespace count, as each is a question."""
        by_namespace = self._directory.by_namespace()
        if isinstance(who, Held):
            space, names = who.home, by_namespace.get(who.home, [])
            open_to_it = [one for one in names if opens(who.key, space, self._directory.metadata(space, one), one)]
            return Listed(who.name, tuple((space, one) for one in sorted(open_to_it)))
        namespaces = sorted(by_namespace, key=lambda one: (one != who.home, one))[:MOST_LISTED]
        try:
            may = await asyncio.gather(*(self._may(who, one, "") for one in namespaces))
        except ApiError as error:
            return _unchecked(error)
        allowed = [one for one, yes in zip(namespaces, may, strict=True) if yes]
        return Listed(who.name, tuple((one, name) for one in allowed for name in sorted(by_namespace[one])))

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


def _nowhere(why: Unclear | None, who: str) -> Refused:
    if why is None:
        return Refused("NoSuchPath", "paths are /{namespace}/{model}/v2/…, /v1/… and /openai/v1/…", who)
    return Refused(why.reason, why.message, who)


def _unchecked(error: ApiError) -> Refused:
    if error.status == 429:
        return Refused("Busy", "too many tokens wait to be checked; try again")
    return Refused("CannotCheck", "the API server, which knows who may do what, cannot be asked; try again")
