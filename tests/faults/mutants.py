"""Defects that the operator does not have, each by one patch: what oracles are for is to find them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest

from modelyard_operator import cache, conditions, decide, reconcile, workqueue
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.api.model_status import ModelDeploymentStatus
from modelyard_operator.api.names import ANNOTATION_SPEC_HASH
from modelyard_operator.api.objects import Child
from modelyard_operator.cache import Store
from modelyard_operator.children import Children
from modelyard_operator.facts import Facts
from modelyard_operator.kube import informer
from modelyard_operator.kube.client import Client
from modelyard_operator.kube.resources import Resource
from modelyard_operator.kube.transport import Request, Transport
from modelyard_operator.model_watch import ModelWatch
from modelyard_operator.reading import child_from_raw
from modelyard_operator.report import Reporter
from modelyard_operator.workqueue import WorkQueue

Patch = Callable[[pytest.MonkeyPatch], None]


def status_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    """Every reconcile writes the status."""
    report = Reporter.report

    async def mutant(self: Reporter, model: ModelDeployment, facts: Facts) -> None:
        await report(self, msgspec.structs.replace(model, status=ModelDeploymentStatus()), facts)

    patch.setattr(Reporter, "report", mutant)


def deletes_without_a_uid(patch: pytest.MonkeyPatch) -> None:
    """Whatever has the name is deleted."""
    write = Client._write

    async def mutant(self: Client, request: Any, *rest: Any) -> bytes:
        if request.method == "DELETE":
            request = msgspec.structs.replace(request, body=b"{}")
        return await write(self, request, *rest)

    patch.setattr(Client, "_write", mutant)


def the_cache_goes_back_in_time(patch: pytest.MonkeyPatch) -> None:
    """An older state replaces a newer one."""
    patch.setattr(cache, "newer", lambda _one, _other: True)
    patch.setattr("modelyard_operator.caches.newer", lambda _one, _other: True)


def the_cache_keeps_ghosts(patch: pytest.MonkeyPatch) -> None:
    """A late answer brings back what was deleted."""
    patch.setattr(Store, "_remember", lambda _self, _uid, _version: None)


def retries_do_not_wait(patch: pytest.MonkeyPatch) -> None:
    """What fails is tried again at once."""

    def mutant(self: WorkQueue, key: tuple[str, str], at_least: float = 0.0) -> float:
        self.add_after(key, 0.05)
        return 0.05

    patch.setattr(workqueue.WorkQueue, "retry", mutant)


def drift_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """What somebody changed by hand stays so."""

    def mutant(*given: Any) -> decide.Decision:
        decision = decide.decide(*given)
        live = {one.metadata.name: one for one in (*given[1].deployments, *given[1].services, *given[1].budgets)}
        changed = [one for one in decision.apply if not _hash_is_same(one, live.get(one["metadata"]["name"]))]
        return msgspec.structs.replace(decision, apply=changed)

    patch.setattr(reconcile, "decide", mutant)


def _hash_is_same(manifest: Mapping[str, Any], live: Any) -> bool:
    asked = manifest["metadata"]["annotations"][ANNOTATION_SPEC_HASH]
    return live is not None and live.metadata.annotations.get(ANNOTATION_SPEC_HASH) == asked


def old_revisions_stay(patch: pytest.MonkeyPatch) -> None:
    """Nothing is deleted."""

    def mutant(*given: Any) -> decide.Decision:
        return msgspec.structs.replace(decide.decide(*given), delete=[])

    patch.setattr(reconcile, "decide", mutant)


def the_lease_is_not_asked(patch: pytest.MonkeyPatch) -> None:
    """A process that led once writes for ever."""
    send = Transport.send

    async def mutant(self: Transport, request: Request, _budget: Any = None, *, urgent: bool = False) -> bytes:
        return await send(self, request, urgent=urgent)

    patch.setattr(Transport, "send", mutant)


def a_gap_is_not_listed(patch: pytest.MonkeyPatch) -> None:
    """After 410, the watch goes on from the newest version, as if nothing had been missed."""
    relist = informer.Informer._relist

    async def mutant(self: informer.Informer) -> None:
        if not self.synced.is_set():
            await relist(self)
            return
        async for _, version in self._client.pages(self._resource, self._namespace):
            self._version = version

    patch.setattr(informer.Informer, "_relist", mutant)


def the_generation_is_not_told(patch: pytest.MonkeyPatch) -> None:
    """The status says of which generation it is only the first time."""
    status = conditions.status

    def mutant(parent: ModelDeployment, *rest: Any) -> ModelDeploymentStatus:
        found = status(parent, *rest)
        return msgspec.structs.replace(found, observed_generation=parent.status.observed_generation or 1)

    patch.setattr("modelyard_operator.report.conditions.status", mutant)


def answers_are_taken_for_our_own_doing(patch: pytest.MonkeyPatch) -> None:
    """What somebody else changed just before our write is seen in its answer, and not acted on."""
    write = Reporter._write

    async def quiet(self: Reporter, *rest: Any) -> bool:
        again, self._again = self._again, lambda _key, _seconds: None
        try:
            return await write(self, *rest)
        finally:
            self._again = again

    async def taken(self: Children, resource: Resource, write: Awaitable[bytes]) -> Child:
        found = child_from_raw(await write)
        self._caches[resource].put(found, announce=False)
        return found

    patch.setattr(Reporter, "_write", quiet)
    patch.setattr(Children, "taken", taken)


def kopf_ends_the_process(patch: pytest.MonkeyPatch) -> None:
    """An answer that kopf does not understand ends everything."""

    async def mutant(self: ModelWatch) -> None:
        await self._list(every=0)
        self.synced.set()
        await self._run_kopf()

    patch.setattr(ModelWatch, "run", mutant)


# Each with the oracle that finds it, and the seed at which to begin: the first that does.
MUTANTS: dict[Patch, tuple[str, int]] = {
    status_is_not_compared: ("O7", 0),
    deletes_without_a_uid: ("O1", 1),
    the_cache_goes_back_in_time: ("O5", 9),
    the_cache_keeps_ghosts: ("O8", 1),
    retries_do_not_wait: ("O8", 0),
    drift_is_ignored: ("O1", 3),
    old_revisions_stay: ("O1", 1),
    the_lease_is_not_asked: ("O9", 1),
    a_gap_is_not_listed: ("O5", 0),
    the_generation_is_not_told: ("O1", 1),
    answers_are_taken_for_our_own_doing: ("O5", 29),
    kopf_ends_the_process: ("O8", 5),
}
