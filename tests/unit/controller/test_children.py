"""Answers to writes of children that come late."""

import asyncio
from typing import Any, cast

import msgspec

from modelyard_operator.cache import Key
from modelyard_operator.caches import Caches
from modelyard_operator.children import Children
from modelyard_operator.kube import resources
from modelyard_operator.kube.client import Client

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "digits", "namespace": "team", "labels": {"modelyard.dev/model": "digits"}},
    "spec": {"ports": [{"port": 80}]},
}


class LateClient:
    """Creates an object whose answer has version 158."""

    async def create(self, _: resources.Resource, manifest: dict[str, Any]) -> bytes:
        """What the server made."""
        return msgspec.json.encode(
            {**manifest, "metadata": {**manifest["metadata"], "uid": "1", "resourceVersion": "158"}}
        )


def created(listed: str) -> tuple[Caches, list[tuple[Key, float]]]:
    """Create a child after a list of this version that does not have it; the caches, and who is looked at again."""
    again: list[tuple[Key, float]] = []
    caches = Caches(lambda _: None, lambda _: None)
    caches[resources.SERVICES].end_list("", set(), listed)
    children = Children(cast(Client, LateClient()), caches, lambda key, delay: again.append((key, delay)), lambda: 0.0)
    asyncio.run(children.apply(SERVICE, "owner"))
    return caches, again


def test_a_child_that_is_newer_than_the_list_is_known() -> None:
    caches, again = created("157")
    assert caches[resources.SERVICES].get("team", "digits").metadata.uid == "1"
    assert again == []


def test_a_child_that_a_newer_list_lacks_was_deleted_so_its_model_is_looked_at_again() -> None:
    caches, again = created("159")
    assert caches[resources.SERVICES].get("team", "digits") is None
    assert again == [(("team", "digits"), 0)]
