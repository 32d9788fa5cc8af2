"""A model that is deleted, and another one of its name made, while the operator writes the status of the first."""

from contextlib import closing

from faults.api.kinds import MODELS, SERVICES
from faults.api.requests import Target
from faults.containers import Write
from faults.harness import Run
from faults.scenario import furnish
from modelyard_operator import metrics

KEY = ("team-a", "digits")


def retried() -> float:
    """Reconciles that failed because of the API server, of all operators of this process."""
    return float(metrics.RECONCILES.labels("retry")._value.get())


def test_the_status_of_a_model_that_was_replaced_is_no_failure() -> None:
    with closing(Run("replaced")) as run:
        furnish(run)
        run.start()
        # Without a runtime it has no children, whose end the other one would have to wait for.
        run.put(MODELS, *KEY, {"spec": {"model": {"uri": "s3://models/digits/1"}, "runtime": "absent"}})
        run.wait(30)
        first = run.model(KEY)
        assert first is not None

        def replace(target: Target) -> None:
            if target.kind is MODELS:
                run.on_ask = lambda _target: None
                run.delete(MODELS, KEY)
                run.put(MODELS, *KEY, {"spec": {"model": {"uri": "s3://models/digits/2"}}})

        run.on_ask = replace
        before = retried()
        run.patch(MODELS, KEY, {"spec": {"replicas": 2}})
        run.wait(60)
        second = run.model(KEY)
        assert second is not None
        assert second["metadata"]["uid"] != first["metadata"]["uid"]
        assert (retried() - before, second["status"]["summary"]) == (0, "Ready")


def test_a_child_that_was_replaced_while_it_was_repaired_is_named_as_taken() -> None:
    told: list[str] = []
    with closing(Run("replaced-child")) as run:
        furnish(run)
        run.start()
        run.put(MODELS, *KEY, {"spec": {"model": {"uri": "s3://models/digits/1"}}})
        run.wait(60)

        def replace(target: Target) -> None:
            if target.kind is SERVICES:
                run.on_ask = lambda _target: None
                run.delete(SERVICES, KEY)
                run.put(SERVICES, *KEY, {"spec": {"ports": [{"port": 9}]}})

        def written(write: Write) -> None:
            found = run.model(KEY)
            if write.kind is MODELS and found is not None:
                told.extend(one["reason"] for one in found["status"]["conditions"] if one["type"] == "Ready")

        run.on_ask, run.on_write = replace, written
        run.patch(SERVICES, KEY, {"spec": {"ports": [{"name": "http", "port": 81}]}})
        run.wait(5)
    assert told == ["NameTaken"]
