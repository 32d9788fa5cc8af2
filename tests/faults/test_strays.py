"""Deployments that lost the label by which they are watched are found again."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from faults.api.kinds import BUDGETS, DEPLOYMENTS, MODELS
from faults.api.storage import Key
from faults.harness import Run
from faults.scenario import furnish
from modelyard_operator import metrics

KEY = ("team-a", "digits")


def asked(run: Run, version: str) -> None:
    """Ask for another version of the model."""
    run.put(MODELS, *KEY, {"spec": {"model": {"uri": f"s3://models/digits/{version}"}}})


def unlabel(run: Run) -> Key:
    """Take the label away from the oldest Deployment."""
    found = run.storage.objects[DEPLOYMENTS]
    key = min(found, key=lambda one: found[one].uid)
    run.patch(DEPLOYMENTS, key, {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}})
    return key


def summary(run: Run) -> str:
    """What the status says."""
    body = run.model(KEY)
    assert body is not None
    return str(body["status"]["summary"])


def not_found() -> float:
    """Deployments that were asked for and not there, by all operators of this process."""
    return float(metrics.API_REQUESTS.labels("GET", "deployments", "404")._value.get())


@pytest.fixture
def run() -> Iterator[Run]:
    """A revision that serves, and one after it that never will."""
    with closing(Run("strays")) as run:
        furnish(run)
        run.start()
        asked(run, "1")
        run.wait(30)
        asked(run, "missing")
        run.wait(30)
        assert len(run.storage.objects[DEPLOYMENTS]) == 2
        yield run


def test_an_old_deployment_without_its_label_is_removed_when_the_new_one_serves(run: Run) -> None:
    unlabel(run)
    asked(run, "2")
    run.wait(60)
    assert (len(run.storage.objects[DEPLOYMENTS]), summary(run)) == (1, "Ready")


def test_also_when_it_happened_while_no_operator_ran(run: Run) -> None:
    run.stop("operator-a")
    unlabel(run)
    run.start()
    asked(run, "2")
    run.wait(60)
    assert (len(run.storage.objects[DEPLOYMENTS]), summary(run)) == (1, "Ready")


def test_a_deployment_of_somebody_else_is_left_alone(run: Run) -> None:
    key = unlabel(run)
    run.patch(DEPLOYMENTS, key, {"metadata": {"ownerReferences": None}})
    asked(run, "2")
    run.wait(60)
    assert run.storage.get(DEPLOYMENTS, key) is not None


def test_a_budget_is_removed_also_if_it_lost_its_label_just_before_it_was_not_asked_for_any_more(run: Run) -> None:
    run.put(MODELS, *KEY, {"spec": {"model": {"uri": "s3://models/digits/1"}, "replicas": 2}})
    run.wait(30)
    [budget] = run.storage.objects[BUDGETS]
    run.put(MODELS, *KEY, {"spec": {"model": {"uri": "s3://models/digits/1"}, "replicas": 1}})
    run.patch(BUDGETS, budget, {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}})
    run.wait(60)
    assert (len(run.storage.objects[BUDGETS]), summary(run)) == (0, "Ready")


def test_a_plain_rollout_asks_for_no_deployment(run: Run) -> None:
    before = not_found()
    asked(run, "2")
    run.wait(300)
    assert (not_found() - before, summary(run)) == (0, "Ready")
