"""Images: references that change with the content, and what is said when there are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelyard_local import baseimage
from modelyard_local.cluster import image_steps
from modelyard_local.errors import LocalError
from modelyard_local.images import NAMES, Builder, references, select
from modelyard_local.paths import Paths
from modelyard_local.tools import ToolBox


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "operator/src").mkdir(parents=True)
    (tmp_path / "operator/Dockerfile").write_text("FROM x\nCOPY operator/src /app\n")
    (tmp_path / "operator/src/a.py").write_text("1")
    return Paths(home=tmp_path / "home", cache=tmp_path / "cache", project=tmp_path)


def test_a_changed_source_gives_another_tag_and_a_changed_cache_does_not(paths: Paths) -> None:
    builder = Builder(paths, ToolBox(paths))
    before = builder.reference("operator")
    assert before.startswith("127.0.0.1:5000/modelyard/operator:0.1.0-")
    (paths.project / "operator/src/__pycache__").mkdir()
    (paths.project / "operator/src/__pycache__/a.pyc").write_text("x")
    assert builder.reference("operator") == before
    (paths.project / "operator/src/a.py").write_text("2")
    assert builder.reference("operator") != before


def test_another_registry_is_named_in_the_reference(paths: Paths) -> None:
    assert Builder(paths, ToolBox(paths), "registry.example").reference("python") == (
        f"registry.example/modelyard/python:3.13-{baseimage.key()}"
    )


def test_an_image_without_a_dockerfile_is_skipped_with_a_word(paths: Paths) -> None:
    assert Builder(paths, ToolBox(paths)).build("trainer") == "skipped: there is no trainer/Dockerfile"


def test_an_unknown_image_is_refused_with_the_known_ones(paths: Paths) -> None:
    with pytest.raises(LocalError, match="no such image: web; known: python, pause"):
        Builder(paths, ToolBox(paths)).reference("web")


def test_images_come_in_the_order_in_which_they_are_built() -> None:
    assert select(["trainer", "python"]) == ["python", "trainer"]
    assert select([]) == list(NAMES)


def test_an_image_that_shares_layers_is_built_after_the_other(paths: Paths) -> None:
    names = ["model-server", "word-scores", "trainer"]
    steps = {step.name: step.needs for step in image_steps(names, Builder(paths, ToolBox(paths)))}
    assert "image model-server" in steps["image trainer"]
    assert "image model-server" in steps["image word-scores"]
    assert steps["image model-server"] == ("registry", "base image")


def test_an_image_that_is_asked_for_alone_waits_for_no_other(paths: Paths) -> None:
    [step] = image_steps(["trainer"], Builder(paths, ToolBox(paths)))
    assert step.needs == ("registry", "base image")


def test_references_are_read_from_the_state(paths: Paths) -> None:
    paths.images.mkdir(parents=True)
    (paths.images / "images.json").write_text(json.dumps({"operator": "r/o:1"}))
    assert references(paths) == {"operator": "r/o:1"}


def test_without_builds_the_remedy_is_named(paths: Paths) -> None:
    with pytest.raises(LocalError, match="run `python3 -m modelyard_local images`"):
        references(paths)
