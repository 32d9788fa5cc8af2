"""Rooms that are too small for a file of tests each: state, last words, logs, hardware, credentials, retries."""

import json
import logging
from pathlib import Path

import pytest

from modelyard_server import logs, termination
from modelyard_server.engines import hardware
from modelyard_server.errors import FetchError, TransientError
from modelyard_server.fetch import archive, credentials, transfer, uri
from modelyard_server.lifecycle import Lifecycle, State


def test_a_late_load_does_not_undo_a_drain() -> None:
    state = Lifecycle()
    state.drain()
    state.loaded()
    assert (state.state, state.ready, state.draining) == (State.DRAINING, False, True)


def test_a_failed_server_stays_failed_and_says_so() -> None:
    state = Lifecycle()
    state.fail()
    state.drain()
    assert (state.state, state.ending) == (State.FAILED, True)


def test_the_termination_message_fits_and_stays_json(tmp_path: Path) -> None:
    termination.write(tmp_path / "log", {"reason": "LoadFailed", "message": "ä" * 5000, "bytes": 5})
    written = (tmp_path / "log").read_bytes()
    assert len(written) < 4096
    assert json.loads(written)["message"].endswith("…")
    termination.write(tmp_path / "no" / "such" / "folder", {"reason": "x"})


def test_a_log_line_is_json_with_its_fields() -> None:
    error = ValueError("broken")
    exc_info = (ValueError, error, None)
    record = logging.LogRecord("a", logging.WARNING, "", 1, "n=%d", (5,), exc_info)
    record.model = "digits"
    line = json.loads(logs.JsonFormatter().format(record))
    assert (line["level"], line["message"], line["model"]) == ("warning", "n=5", "digits")
    assert "ValueError: broken" in line["exception"]


@pytest.mark.parametrize(
    ("text", "share"),
    [("max 100000", None), ("50000 100000", 1), ("100000 100000", 1), ("odd", None), (None, None)],
)
def test_the_cpu_share_follows_the_cgroup(tmp_path: Path, text: str | None, share: int | None) -> None:
    file = tmp_path / "cpu.max"
    if text is not None:
        file.write_text(text)
    cores = hardware.cpu_share(tmp_path / "missing")
    assert hardware.cpu_share(file) == (share or cores)


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ({}, "credentials came from the environment (AWS_ACCESS_KEY_ID)"),
        ({"TOKEN": "s3cret"}, "the Secret holds none of AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (and unused TOKEN)"),
        ({"AWS_ACCESS_KEY_ID": "s3cret"}, "the Secret holds AWS_ACCESS_KEY_ID"),
    ],
)
def test_credentials_are_described_by_name_only(tmp_path: Path, secret: dict[str, str], words: str) -> None:
    for key, value in secret.items():
        (tmp_path / key).write_text(value)
    (tmp_path / "..data").mkdir()
    (tmp_path / "EMPTY").write_text(" \n")
    found = credentials.read(tmp_path, {"AWS_ACCESS_KEY_ID": "from-env", "HOME": "/"})
    assert found.describe(credentials.S3_KEYS[:2]) == words
    assert "s3cret" not in found.describe(credentials.S3_KEYS) + repr(found)
    assert (found.has_s3_keys, found.has_identity) == (False, False)


def test_without_anything_the_message_says_that_no_secret_is_mounted() -> None:
    assert credentials.read(None, {}).describe(("TOKEN",)) == "no Secret is mounted"


def test_retries_end_and_grow() -> None:
    pauses: list[float] = []

    def attempt() -> None:
        raise TransientError("reset by peer")

    with pytest.raises(FetchError, match=r"w: reset by peer \(5 attempts\)"):
        transfer.retrying("w", attempt, pauses.append)
    assert len(pauses) == 4
    assert pauses == sorted(pauses)


def test_progress_prints_every_two_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 1.0, 2.0, 3.0])
    progress = transfer.Progress(4 * 1024 * 1024, clock=lambda: next(times))
    for _ in range(3):
        progress.add(1024 * 1024)
    assert capsys.readouterr().err.splitlines() == ["2.0 MiB of 4.0 MiB (50 %), 1.0 MiB/s"]


def test_archive_members_are_judged_by_name_kind_and_size() -> None:
    fine = [archive.Member("a/b", 5, "file"), archive.Member("a", 0, "directory")]
    assert archive.problem(fine, 100) is None
    assert "entries" in str(archive.problem(fine * 6000, 100))


def test_locations_split_into_place_and_path() -> None:
    location = uri.parse("s3://models/digits%201/x.tar.gz")
    assert (location.place, location.path, location.archive) == ("models", "digits 1/x.tar.gz", ".tar.gz")
