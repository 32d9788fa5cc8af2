"""O7: many models that are as they should be cost no write, by the API server's count."""

from collections.abc import Callable

import pytest

from integration.running import Cluster, eventually
from scale.running import COUNT, PATIENCE, PAUSE, Journal, Process, all_have, create, ready

pytestmark = pytest.mark.integration

# Requests for the Lease that are waited for: some seconds, told by the process itself.
RENEWALS = 4


def test_many_ready_models_are_written_to_neither_at_rest_nor_after_a_restart(
    shared: Cluster, operator: Process, start: Callable[[], Process], namespace: str
) -> None:
    create(shared, namespace)
    all_have(shared, namespace, ready)
    # The record of a revision that is Ready is the last thing written.
    history = f"/apis/apps/v1/namespaces/{namespace}/controllerrevisions"
    eventually(lambda: len(shared.items(history)) == COUNT, PATIENCE, PAUSE)
    operator.quiet()
    at_rest = Journal(shared)
    eventually(lambda: at_rest.lease(operator) >= RENEWALS)
    assert at_rest.requests(operator) == []
    operator.end()
    restarted = Journal(shared)
    again = start()
    again.quiet()
    eventually(lambda: again.metric("modelyard_reconcile_total", result="ok") >= COUNT)
    eventually(lambda: restarted.lease(again) >= RENEWALS)
    assert restarted.writes(again) == []
    assert len(restarted.requests(again)) < COUNT, "a restart lists; it does not read each model"
