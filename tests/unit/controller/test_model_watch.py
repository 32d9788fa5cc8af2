"""The sweep: what a list tells is done at once, and the rest is looked at without keeping a new model waiting."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import kopf
import pytest
from msgspec.structs import replace

from builders import model
from modelyard_operator import model_watch
from modelyard_operator.api.model_deployment import ModelDeployment
from modelyard_operator.cache import Key
from modelyard_operator.caches import Caches
from modelyard_operator.kube.client import Client
from modelyard_operator.model_watch import SWEPT_PER_SECOND, ModelWatch


class Lists:
    """A client that answers with these lists, in pages of two, and then has the sweep end."""

    def __init__(self, *lists: list[ModelDeployment]) -> None:
        self.lists = list(lists)

    async def pages(self, *_: Any) -> AsyncIterator[tuple[list[ModelDeployment], str]]:
        """Pages of the next list."""
        if not self.lists:
            raise asyncio.CancelledError
        found = self.lists.pop(0)
        for first in range(0, len(found), 2):
            yield found[first : first + 2], "100"


def seen(name: str, version: str = "1") -> ModelDeployment:
    found = model()
    return replace(found, metadata=replace(found.metadata, name=name, uid=name, resource_version=version))


async def asked(
    monkeypatch: pytest.MonkeyPatch,
    known: list[ModelDeployment],
    *lists: list[ModelDeployment],
    doubtful: bool = False,
) -> Any:
    """Which models a sweep has looked at, and after how many seconds each; `doubtful` when kopf has listed just now."""
    found: list[tuple[Key, float]] = []
    caches = Caches(lambda _: None, lambda _: None)
    for one in known:
        caches.put_model(one)
    monkeypatch.setattr(model_watch, "SWEEP_SECONDS", 0)
    watch = ModelWatch(
        cast("Client", Lists(*lists)),
        caches,
        lambda key, seconds: found.append((key, seconds)),
        lambda _: kopf.OperatorRegistry(),
        "test",
        [],
        lambda: 0.0,
    )
    if doubtful:
        monkeypatch.setattr(model_watch, "SWEEP_SECONDS", 3600)
        monkeypatch.setattr(model_watch, "DOUBT_SECONDS", 0)
        watch.doubt()
        await next_list(watch)
    else:
        with pytest.raises(asyncio.CancelledError):
            await watch.sweep()
    return {name: min(seconds for (_, one), seconds in found if one == name) for (_, name), _ in found}


async def next_list(watch: ModelWatch) -> None:
    """Let the sweep take one list, and then doubt once more, which ends it."""
    listed = watch._list

    async def once(*, every: float | None) -> None:
        await listed(every=every)
        watch.doubt()

    watch._list = once  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await watch.sweep()


async def test_a_sweep_looks_at_models_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    known = [seen(f"m{number}") for number in range(5)]
    looked = await asked(monkeypatch, known, known)
    assert looked == {f"m{number}": pytest.approx(number / SWEPT_PER_SECOND) for number in range(5)}


async def test_what_a_sweep_finds_changed_or_gone_is_looked_at_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = await asked(
        monkeypatch,
        [seen("a"), seen("same"), seen("gone"), seen("other")],
        [seen("a"), seen("same"), seen("other", "2"), seen("new")],
    )
    assert looked == {"other": 0, "new": 0, "gone": 0, "a": 0, "same": pytest.approx(1 / SWEPT_PER_SECOND)}


async def test_after_kopf_has_listed_only_what_it_may_have_missed_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = await asked(monkeypatch, [seen("same"), seen("gone")], [seen("same"), seen("new")], doubtful=True)
    assert looked == {"new": 0, "gone": 0}
