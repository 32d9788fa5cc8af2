"""O4: an operator that is killed again and again in the middle of a burst leaves what one that lives leaves."""

import json
import random
import re
from collections.abc import Callable

import pytest

from integration.running import Cluster, Object, eventually
from scale.running import (
    CHILDREN,
    COUNT,
    NAMES,
    PATIENCE,
    PAUSE,
    Births,
    Journal,
    Process,
    all_have,
    create,
    edit,
    ready,
    snapshot,
    version,
)

pytestmark = pytest.mark.integration

# What differs between two models that were made alike, besides their names and the hashes that follow from them.
OWN = frozenset({"uid", "clusterIP", "clusterIPs"})
HASH = re.compile(r"\b[0-9a-f]{10}\b")
KILLS = 3
RECORD = "ControllerRevision"


@pytest.mark.parametrize("seed", [1])
def test_killed_at_random_in_a_burst_of_updates(
    shared: Cluster, start: Callable[[], Process], namespace: str, seed: int
) -> None:
    operator = start()
    operator.quiet()
    create(shared, namespace, [*NAMES, "reference"])
    all_have(shared, namespace, ready, COUNT + 1)
    edit(shared, namespace, version(2), ["reference"])
    all_have(shared, namespace, ready, COUNT + 1)
    eventually(lambda: len(shared.deployments(namespace)) == COUNT + 1, PATIENCE, PAUSE)
    births = {kind: Births(shared, CHILDREN[kind].format(namespace)) for kind in ("Deployment", "Service", RECORD)}
    eventually(lambda: all(one.count("ADDED").total() > COUNT for one in births.values()), PATIENCE, PAUSE)
    edit(shared, namespace, version(2))
    for after in chances(seed):
        operator = killed_after(shared, operator, start, after)
    all_have(shared, namespace, ready, COUNT + 1)
    eventually(lambda: len(births["Deployment"].count("DELETED")) == COUNT, PATIENCE, PAUSE)
    operator.quiet()
    once = {
        kind: (max(one.count("ADDED").values()), max(one.count("DELETED").values(), default=0))
        for kind, one in births.items()
    }
    assert once == {"Deployment": (1, 1), "Service": (1, 0), RECORD: (1, 0)}
    assert len(births["Deployment"].count("ADDED")) == 2 * COUNT + 1
    assert len(births[RECORD].count("ADDED")) == 2 * COUNT + 2
    assert_like_reference(shared, namespace)


def chances(seed: int) -> list[int]:
    """How many writes each process may do: few, many, or some in between."""
    draw = random.Random(seed)
    return [draw.randrange(5, COUNT) for _ in range(KILLS)]


def killed_after(shared: Cluster, operator: Process, start: Callable[[], Process], count: int) -> Process:
    """Kill an operator as soon as the API server has answered so many of its writes, and start the next one."""
    journal = Journal(shared)
    eventually(lambda: len(journal.writes(operator)) >= count, PATIENCE)
    operator.end(9)
    return start()


def assert_like_reference(shared: Cluster, namespace: str) -> None:
    """Every model consists of what the one consists of that was updated while nobody was killed."""
    found = snapshot(shared, namespace, OWN)
    texts: dict[str, list[str]] = {name: [] for name in ["reference", *NAMES]}
    for (kind, name), one in found.items():
        owner = name.split("-", maxsplit=1)[0]
        if owner in texts:
            texts[owner].append(anonymous(one if kind != "Deployment" else {**one, "status": None}, owner))
    expected = sorted(texts["reference"])
    assert len(expected) == 5, "a model, its Service, its Deployment and two records"
    different = {name: mine for name, mine in texts.items() if sorted(mine) != expected}
    assert not different, (len(different), next(iter(different.items())), expected)


def anonymous(one: Object, owner: str) -> str:
    """An object as text, without the name of its model and without the hashes that follow from it."""
    return HASH.sub("HASH", json.dumps(one, sort_keys=True).replace(owner, "NAME"))
