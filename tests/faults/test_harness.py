"""The harness itself: the same seed gives the same run, time is virtual, the dead stay dead."""

from contextlib import closing

import pytest

from faults.api.kinds import MODELS
from faults.harness import Run
from faults.injection import REQUEST_FAULTS, VIEW_FAULTS, WATCH_FAULTS
from faults.oracles import ORACLES
from faults.scenario import furnish

MODEL = {"spec": {"model": {"uri": "s3://models/digits/1"}}}


def stormy(seed: str) -> tuple[list[str], dict[str, int]]:
    """What an operator writes in a storm, and which faults it meets."""
    with closing(Run(seed)) as run:
        furnish(run)
        run.injection.storm([*REQUEST_FAULTS, *WATCH_FAULTS, *VIEW_FAULTS], 0.2)
        run.start()
        for name in ("one", "two", "three"):
            run.put(MODELS, "team-a", name, MODEL)
            run.wait(40)
        return [str(write) for write in run.writes], run.injection.met


def test_a_seed_gives_the_same_run_each_time() -> None:
    assert stormy("again") == stormy("again")


def test_a_storm_has_faults_of_every_kind() -> None:
    met: set[str] = set()
    for number in range(12):
        met |= stormy(f"storm {number}")[1].keys()
    assert {*REQUEST_FAULTS, *WATCH_FAULTS} <= met


def test_a_model_becomes_ready_without_faults() -> None:
    with closing(Run("calm")) as run:
        furnish(run)
        run.start()
        run.put(MODELS, "team-a", "digits", MODEL)
        assert run.settle(60)
        body = run.model(("team-a", "digits"))
        assert body is not None
        assert body["status"]["summary"] == "Ready"


def test_who_is_killed_writes_nothing_more() -> None:
    with closing(Run("killed")) as run:
        furnish(run)
        run.start()
        run.put(MODELS, "team-a", "digits", MODEL)
        run.wait(1)
        run.kill("operator-a")
        written = len(run.writes)
        run.wait(100)
        assert len(run.writes) == written


def test_who_is_frozen_goes_on_when_it_is_thawed() -> None:
    with closing(Run("frozen", lease=1000.0)) as run:
        furnish(run)
        run.start()
        run.wait(1)
        run.freeze("operator-a")
        run.put(MODELS, "team-a", "digits", MODEL)
        written = len(run.writes)
        run.wait(100)
        assert len(run.writes) == written
        run.thaw("operator-a")
        run.wait(100)
        assert len(run.writes) > written


@pytest.mark.parametrize("oracle", ORACLES)
def test_each_oracle_says_what_it_asks(oracle: str) -> None:
    assert ORACLES[oracle].__doc__
