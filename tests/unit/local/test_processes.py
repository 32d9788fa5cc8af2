"""Processes: started once, recognised by pid and start time, stopped, and never mistaken for others."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from modelyard_local.errors import LocalError
from modelyard_local.processes import Spec, Supervisor, boot, parse_stat, start_time

WAITS = (sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()")


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    return Supervisor(tmp_path / "run", tmp_path / "log")


def test_the_start_time_is_read_past_any_name() -> None:
    fields = ["S", *(str(number) for number in range(4, 22)), "4711", "23"]
    assert parse_stat(f"12 (a) b) {' '.join(fields)}") == 4711


def test_a_zombie_is_not_alive() -> None:
    assert parse_stat("12 (x) Z " + " ".join("1" for _ in range(30))) is None


def test_this_process_is_alive_and_pid_zero_is_not() -> None:
    assert start_time(os.getpid()) is not None
    assert start_time(0) is None


def test_a_process_starts_once_and_stops(supervisor: Supervisor) -> None:
    assert supervisor.ensure(Spec("one", WAITS)) == "started"
    first = supervisor.record("one")
    assert supervisor.ensure(Spec("one", WAITS)) == ""
    assert supervisor.record("one") == first
    assert supervisor.stop("one")
    assert supervisor.record("one") is None
    assert not supervisor.stop("one")


def test_a_changed_file_restarts(supervisor: Supervisor, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("a")
    supervisor.ensure(Spec("one", WAITS, (config,)))
    config.write_text("b")
    assert supervisor.ensure(Spec("one", WAITS, (config,))) == "restarted: its configuration changed"
    supervisor.stop("one")


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}])
def test_a_reused_pid_is_not_ours(supervisor: Supervisor, tmp_path: Path, change: dict[str, object]) -> None:
    mine = {"pid": os.getpid(), "started": start_time(os.getpid()), "boot": boot(), "digest": ""}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "one.json").write_text(json.dumps(mine | change))
    assert supervisor.record("one") is None
    assert not supervisor.stop("one")


def test_a_damaged_record_counts_as_none(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "one.json").write_text("{")
    assert supervisor.record("one") is None


def test_a_process_that_ends_while_we_wait_is_an_error_with_its_log(supervisor: Supervisor) -> None:
    supervisor.ensure(Spec("one", WAITS))
    record = supervisor.record("one")
    assert record is not None

    def kill_it() -> bool:
        supervisor.stop("one")
        return False

    with pytest.raises(LocalError, match="one stopped right after its start") as caught:
        supervisor.wait_ready("one", kill_it, 10)
    assert caught.value.log == supervisor.log("one")


def test_a_process_that_never_gets_healthy_is_an_error(supervisor: Supervisor) -> None:
    supervisor.ensure(Spec("one", WAITS))
    with pytest.raises(LocalError, match="one is not healthy 0 s after its start"):
        supervisor.wait_ready("one", lambda: False, 0)
    supervisor.stop("one")


def test_a_stranger_that_answers_in_place_of_our_process_is_an_error(supervisor: Supervisor) -> None:
    with pytest.raises(LocalError, match="one stopped, and another process answers in its place"):
        supervisor.wait_ready("one", lambda: True, 10)


def test_a_healthy_process_is_waited_for_no_longer(supervisor: Supervisor) -> None:
    supervisor.ensure(Spec("one", WAITS))
    supervisor.wait_ready("one", lambda: True, 10)
    supervisor.stop("one")
