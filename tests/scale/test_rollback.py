"""O3: from a good state to a bad one and back, for many models, is the start again."""

from collections import Counter
from typing import Any

import pytest

from integration.running import Cluster, eventually
from scale.running import (
    COUNT,
    PATIENCE,
    PAUSE,
    Journal,
    Process,
    all_have,
    because,
    create,
    edit,
    ready,
    snapshot,
    version,
)

pytestmark = pytest.mark.integration

# For each model: a new Deployment and its end, and a status for each thing that is news on the way there and back.
CHILD_WRITES = 2
STATUS_WRITES = 8
# What the API server refuses is asked for again, ever more seldom.
REFUSALS = 12
BAD_IMAGE = {
    "podTemplate": {
        "metadata": {"annotations": {"sim.modelyard.dev/fail": "ImagePullBackOff"}},
        "spec": {"containers": [{"name": "server", "image": "registry.example/missing:1"}]},
    }
}


def test_many_models_with_a_bad_image_and_back(shared: Cluster, operator: Process, namespace: str) -> None:
    before = settled(shared, namespace)
    operator.quiet()
    journal = Journal(shared)
    edit(shared, namespace, lambda _: BAD_IMAGE)
    all_have(shared, namespace, because("ImagePullFailed"))
    edit(shared, namespace, lambda _: {"podTemplate": None})
    back(shared, namespace, before)
    assert_bounded(journal, operator, namespace)


def test_many_models_with_a_quota_in_the_way_and_back(shared: Cluster, operator: Process, namespace: str) -> None:
    before = settled(shared, namespace)
    operator.quiet()
    journal = Journal(shared)
    shared.kubectl("create", "quota", "full", "-n", namespace, f"--hard=count/deployments.apps={COUNT}")
    quota = f"/api/v1/namespaces/{namespace}/resourcequotas/full"
    eventually(lambda: (shared.get(quota) or {}).get("status", {}).get("used"))
    edit(shared, namespace, version(2))
    all_have(shared, namespace, because("QuotaExceeded"))
    edit(shared, namespace, version(1))
    back(shared, namespace, before)
    assert_bounded(journal, operator, namespace)


def settled(shared: Cluster, namespace: str) -> dict[tuple[str, str], Any]:
    """Models that are Ready, and everything that they consist of, by uid."""
    create(shared, namespace)
    all_have(shared, namespace, ready)
    return snapshot(shared, namespace)


def back(shared: Cluster, namespace: str, before: dict[tuple[str, str], Any]) -> None:
    """Wait until the namespace holds what it held before: the same objects with the same uids, and nothing more."""
    all_have(shared, namespace, ready)

    def check() -> bool:
        now = snapshot(shared, namespace)
        assert now.keys() == before.keys()
        different = [key for key in now if now[key] != before[key]]
        assert not different, (now[different[0]], before[different[0]])
        return True

    eventually(check, PATIENCE, PAUSE)


def assert_bounded(journal: Journal, operator: Process, namespace: str) -> None:
    """Count by the audit log what the two edits cost."""
    mine = [one for one in journal.writes(operator) if one.namespace == namespace]
    done = [one for one in mine if one.code < 300]
    children = Counter(one.resource for one in done if one.subresource != "status" and one.resource != "events")
    assert children.total() <= CHILD_WRITES * COUNT, children
    # What went wrong, and that it was mended.
    assert sum(one.resource == "events" for one in done) <= 2 * COUNT
    statuses = Counter(one.name for one in done if one.subresource == "status")
    assert max(statuses.values()) <= STATUS_WRITES, statuses.most_common(3)
    refused = Counter(one.name for one in mine if one.code == 403)
    assert max(refused.values(), default=0) <= REFUSALS, refused.most_common(3)
