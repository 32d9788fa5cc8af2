"""Steps: each after its needs, nothing new after a failure."""

from __future__ import annotations

import io
import threading

import pytest

from modelyard_local.errors import LocalError
from modelyard_local.progress import Progress
from modelyard_local.steps import HEAVY_WORKERS, Step, check_graph, run_steps


def nothing() -> str:
    return ""


def test_a_step_runs_after_all_that_it_needs() -> None:
    order: list[str] = []

    def note(name: str, *needs: str) -> Step:
        def action() -> str:
            order.append(name)
            return ""

        return Step(name, action, needs)

    run_steps([note("a"), note("b"), note("c", "a", "b")], Progress(io.StringIO()))
    assert order[-1] == "c"
    assert sorted(order) == ["a", "b", "c"]


def test_independent_steps_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def meet() -> str:
        meeting.wait()
        return ""

    run_steps([Step("a", meet), Step("b", meet)], Progress(io.StringIO()))


def test_no_step_waits_for_builds_that_do_not_concern_it() -> None:
    light_ran = threading.Event()

    def build() -> str:
        return "waited" if light_ran.wait(timeout=10) else "was waited for"

    def light() -> str:
        light_ran.set()
        return ""

    output = io.StringIO()
    builds = [Step(f"build {number}", build, heavy=True) for number in range(HEAVY_WORKERS + 1)]
    run_steps([*builds, Step("light", light)], Progress(output))
    assert "was waited for" not in output.getvalue()


def test_a_failure_stops_what_needs_it_and_is_raised() -> None:
    output = io.StringIO()

    def fail() -> str:
        raise LocalError("no disk")

    with pytest.raises(LocalError, match="no disk"):
        run_steps([Step("a", fail), Step("b", nothing, ("a",))], Progress(output))
    assert "a: FAILED" in output.getvalue()
    assert "b: " not in output.getvalue()


def test_the_lines_tell_what_was_done_and_what_was_there() -> None:
    output = io.StringIO()
    run_steps([Step("a", lambda: "started"), Step("b", nothing, ("a",))], Progress(output))
    first, second = output.getvalue().splitlines()
    assert "a: started" in first
    assert "b: up to date" in second


def test_a_need_that_is_not_listed_before_is_refused() -> None:
    with pytest.raises(ValueError, match="step a needs b, which must be listed before it"):
        check_graph([Step("a", nothing, ("b",)), Step("b", nothing)])


def test_a_name_listed_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="step a is listed twice"):
        check_graph([Step("a", nothing), Step("a", nothing)])
