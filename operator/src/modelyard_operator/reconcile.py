"""One reconcile for every event: read the caches, decide, apply, and report."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec
from msgspec import Struct

from .api.model_deployment import ModelDeployment
from .cache import Key
from .caches import NAMESPACE, Caches
from .children import Children
from .decide import Decision, decide
from .diagnosis import Finding, Stage
from .kube import resources
from .kube.client import Client
from .kube.errors import ApiError, NotOwnedError, is_refusal
from .policies import PolicyKeeper
from .presence import forget_if_gone
from .reasons import Reason, Unresolved
from .render import Manifest
from .render.service import url
from .report import Reporter
from .revision import Defaults
from .strays import Strays
from .upstream import UpstreamKeys

logger = logging.getLogger(__name__)

# What is refused today is tried again now and then: a quota is raised, another object removed.
REFUSED_SECONDS = 15.0
# What the API server says of a namespace that is being deleted, and how long such a thing may take.
TERMINATING = "because it is being terminated"
TERMINATING_SECONDS = 60.0
# What the cluster lacks today is looked for again.
LOOK_SECONDS = 30.0


class Entrance(Struct, frozen=True):
    """How clients come to models: whom the NetworkPolicy lets in (everybody when empty), the gateway's address."""

    clients: Sequence[Manifest] = ()
    gateway: str = ""


class Reconciler:
    """Makes the cluster what the ModelDeployments say."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is a room that it works with
        self,
        client: Client,
        caches: Caches,
        defaults: Defaults,
        entrance: Entrance,
        again: Callable[[Key, float], None],
        reporter: Reporter,
        doubt: Callable[[], None],
        clock: Callable[[], float],
        keys: UpstreamKeys | None = None,
    ) -> None:
        self._client = client
        self._caches = caches
        self._defaults = defaults
        self._again = again
        self._reporter = reporter
        self._doubt = doubt
        self._children = Children(client, caches, again, clock)
        self._policies = PolicyKeeper(client, caches, self._children, entrance.clients, again, clock, keys)
        self._entrance = entrance
        self._strays = Strays(client, caches, self._children, again, clock)

    async def reconcile(self, key: Key) -> None:
        """Bring one model, or the shared objects of one namespace, to where they should be.

        Raises ApiError when it should be tried again.
        """
        namespace, name = key
        model = None if name == NAMESPACE else self._caches.model(key)
        if model is None:
            # Owner references delete the children; the namespace's own policy has no owner.
            self._reporter.forget(key)
            self._strays.forget(key)
            self._policies.watch_start(key, starting=False)
            errors = await _outcomes(self._policies.keep(namespace))
            if errors and not _is_ending(errors):
                raise errors[0]
            return
        decision = decide(model, self._caches.observed(model), self._caches.catalog(), self._defaults)
        if self._is_made_anew(model, decision) and await forget_if_gone(self._client, self._caches, model):
            # Else its children would be made again as often as they are collected, until the next sweep.
            self._again(key, 0)
            return
        for kind, child in decision.same:
            self._caches[resources.WRITTEN[kind]].compared(child)
        facts = msgspec.structs.replace(decision.facts, url=url(model, self._entrance.gateway))
        self._policies.watch_start(key, starting=facts.stage is Stage.STARTING and facts.finding is None)
        errors = await self._act(model, decision)
        if _is_ending(errors):
            # The model goes with its namespace; there is nothing to mend and nobody to tell.
            self._again(key, TERMINATING_SECONDS)
            return
        if refused := next((error for error in errors if is_refusal(error)), None):
            facts = msgspec.structs.replace(facts, finding=examine_refusal(refused), replaced=False)
        elif errors:
            # Nothing is known for sure while the API server does not answer: no status rather than a wrong one.
            raise errors[0]
        await self._reporter.report(model, facts)
        if isinstance(facts.revision, Unresolved) and facts.revision.reason is Reason.NO_GPU_MECHANISM:
            # Nodes and the API server change without a word to each model: look again now and then.
            self._doubt()
            self._again(key, LOOK_SECONDS)
        if refused:
            raise ApiError(refused.status, str(refused), refused.retry_after or REFUSED_SECONDS)

    def _is_made_anew(self, model: ModelDeployment, decision: Decision) -> bool:
        """Whether children of a model that was reconciled before would be created; a record is always new."""
        space = model.metadata.namespace
        return model.status.observed_generation > 0 and any(
            self._caches[resources.WRITTEN[one["kind"]]].get(space, one["metadata"]["name"]) is None
            for one in decision.apply
            if one["kind"] != "ControllerRevision"
        )

    async def _act(self, model: ModelDeployment, decision: Decision) -> list[ApiError]:
        """Do everything, and tell what was refused: one refused object must not keep an old replica from going."""
        namespace = model.metadata.namespace
        errors = await _outcomes(
            self._policies.keep(namespace), *(self._children.apply(one, model.metadata.uid) for one in decision.apply)
        )
        for scale in decision.scale:
            errors += await _outcomes(self._children.scale(namespace, scale))
        for removal in decision.delete:
            errors += await _outcomes(self._children.remove(namespace, removal))
        return errors + await _outcomes(self._strays.recover(model, decision.lost))


def _is_ending(errors: Iterable[ApiError]) -> bool:
    """Whether the namespace is being deleted."""
    return any(TERMINATING in error.message for error in errors)


def _again_later(found: BaseException | None) -> BaseException | None:
    """kopf, when it ends, cancels every task that began while it ran, ours too; the worker itself is older."""
    return ApiError(0, "cut off in the middle") if isinstance(found, asyncio.CancelledError) else found


async def _outcomes(*actions: Awaitable[None]) -> list[ApiError]:
    """Do these at the same time, each to its end; what the API server refused of them."""
    found = [_again_later(one) for one in await asyncio.gather(*actions, return_exceptions=True)]
    for one in found:
        if one is not None and not isinstance(one, ApiError):
            raise one
    return [one for one in found if isinstance(one, ApiError)]


def examine_refusal(error: ApiError) -> Finding:
    """What a refusal of the API server says of the model."""
    if isinstance(error, NotOwnedError):
        return Finding(Stage.PENDING, Reason.NAME_TAKEN, error.message)
    reason = Reason.QUOTA_EXCEEDED if "exceeded quota" in error.message else Reason.APPLY_REJECTED
    return Finding(Stage.PENDING, reason, error.message)
