"""down: a home that owns no node loses its files and processes, and nothing else is touched."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from modelyard_local.paths import Paths
from modelyard_local.processes import Spec, Supervisor
from modelyard_local.progress import Progress
from modelyard_local.teardown import down


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(home=tmp_path / "home", cache=tmp_path / "cache")
    made.images.mkdir(parents=True)
    (made.images / "images.json").write_text("{}")
    made.logs.mkdir()
    return made


def test_everything_of_the_home_goes(paths: Paths) -> None:
    down(paths, Progress(io.StringIO()), keep_images=False)
    assert not paths.home.exists()


def test_images_stay_when_asked_for(paths: Paths) -> None:
    down(paths, Progress(io.StringIO()), keep_images=True)
    assert list(paths.home.rglob("*")) == [paths.images, paths.images / "images.json"]


def test_recorded_processes_are_stopped(paths: Paths) -> None:
    supervisor = Supervisor(paths.run, paths.logs)
    supervisor.ensure(Spec("registry", (sys.executable, "-c", "import signal; signal.pause()")))
    down(paths, Progress(io.StringIO()), keep_images=False)
    assert not supervisor.stop("registry")


def test_a_second_time_finds_nothing_to_do(paths: Paths) -> None:
    down(paths, Progress(io.StringIO()), keep_images=False)
    down(paths, Progress(io.StringIO()), keep_images=False)
    assert not paths.home.exists()
