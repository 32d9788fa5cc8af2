"""Events: what is worth telling, and how often."""

import msgspec
import pytest

from builders import UID, model
from modelyard_operator import events
from modelyard_operator.api.model_status import Condition, ModelDeploymentStatus

NOW = "2026-01-01T00:00:00Z"
LATER = "2026-01-01T01:00:00Z"


def status(reason: str = "", ready_revision: str = "") -> ModelDeploymentStatus:
    if not reason:
        return ModelDeploymentStatus()
    ready = Condition(
        type="Ready",
        status="True" if reason == "Ready" else "False",
        reason=reason,
        message=f"because {reason}",
        observed_generation=1,
        last_transition_time=NOW,
    )
    return ModelDeploymentStatus(conditions=[ready], ready_revision=ready_revision)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(status(), status("Starting"), id="steps on the way"),
        pytest.param(status("Fetching"), status("Loading"), id="further steps"),
        pytest.param(status("Loading"), status("Ready", "r1"), id="ready for the first time"),
        pytest.param(status(), status("Ready", "r1"), id="ready before anything else was told"),
        pytest.param(status("Ready", "r1"), status("Ready", "r1"), id="ready as before"),
        pytest.param(status("Ready", "r1"), status("Loading", "r1"), id="a pod was replaced"),
        pytest.param(status("LoadFailed"), status("LoadFailed"), id="still the same cause"),
        pytest.param(status("Ready"), status(), id="no conditions"),
    ],
)
def test_what_is_no_news(before: ModelDeploymentStatus, after: ModelDeploymentStatus) -> None:
    assert events.note(before, after) is None


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        pytest.param(status("Loading"), status("LoadFailed"), "Warning", id="a failure"),
        pytest.param(status(), status("InsufficientGPU"), "Warning", id="a failure from the start"),
        pytest.param(status("ImagePullFailed"), status("CrashLoop"), "Warning", id="another cause"),
        pytest.param(status("CrashLoop", "r1"), status("Ready", "r1"), "Normal", id="mended"),
        pytest.param(status("Ready", "r1"), status("Ready", "r2"), "Normal", id="a new revision serves"),
        pytest.param(status("Ready", "r1"), status("Paused", "r1"), "Normal", id="paused"),
    ],
)
def test_what_is_news(before: ModelDeploymentStatus, after: ModelDeploymentStatus, kind: str) -> None:
    found = events.note(before, after)
    assert found is not None
    assert (found.type, found.reason, found.message) == (
        kind,
        after.conditions[0].reason,
        after.conditions[0].message,
    )


CRASH = events.Note("Warning", "CrashLoop", "")
LOAD = events.Note("Warning", "LoadFailed", "")
READY = events.Note("Normal", "Ready", "")
ABOUT = (UID, "r1")


def test_a_model_that_flaps_is_told_once_in_five_minutes_with_a_count() -> None:
    log = events.EventLog()
    assert log.series(ABOUT, CRASH, "a", NOW, 0.0) == events.Series("a", NOW, 1, 0.0)
    assert log.series(ABOUT, CRASH, "b", LATER, 299.0) is None
    assert log.series(ABOUT, CRASH, "c", LATER, 300.0) == events.Series("a", NOW, 3, 300.0)


def test_causes_models_and_revisions_are_told_apart() -> None:
    log = events.EventLog()
    assert log.series(ABOUT, CRASH, "a", NOW, 0.0)
    assert log.series(ABOUT, LOAD, "b", NOW, 0.0)
    assert log.series(("other", "r1"), CRASH, "c", NOW, 0.0)
    assert log.series((UID, "r2"), CRASH, "d", NOW, 0.0)


def test_the_end_of_a_trouble_is_told_though_there_were_steps_between() -> None:
    log = events.EventLog()
    log.series(ABOUT, CRASH, "a", NOW, 0.0)
    assert log.warned(UID)
    found = events.note(status("Loading", "r1"), status("Ready", "r1"), warned=True)
    assert found is not None
    assert found.type == "Normal"
    log.series(ABOUT, READY, "b", NOW, 0.0)
    assert not log.warned(UID)


def test_what_was_told_is_forgotten_beyond_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "REMEMBERED", 1)
    log = events.EventLog()
    log.series(ABOUT, CRASH, "a", NOW, 0.0)
    log.series(("other", "r1"), CRASH, "b", NOW, 0.0)
    assert not log.warned(UID)
    assert log.series(ABOUT, CRASH, "c", NOW, 1.0) == events.Series("c", NOW, 1, 1.0)


def test_an_event_names_its_model_and_is_cut() -> None:
    told = events.Note("Warning", "LoadFailed", "x" * 2000)
    found = events.manifest(model(), told, events.Series("digits.1", NOW, 2, 0.0), LATER, "operator-0")
    assert found["involvedObject"] == {
        "apiVersion": "modelyard.dev/v1alpha1",
        "kind": "ModelDeployment",
        "name": "digits",
        "namespace": "team",
        "uid": UID,
    }
    assert (found["firstTimestamp"], found["lastTimestamp"], found["count"]) == (NOW, LATER, 2)
    assert len(found["message"]) == events.MESSAGE_LIMIT
    assert msgspec.json.encode(found)
