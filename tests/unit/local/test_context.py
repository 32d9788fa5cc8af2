"""Build contexts: what a Dockerfile reads, and the hash that decides whether it is built again."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelyard_local.context import collect, digest, instructions, sources, stage
from modelyard_local.errors import LocalError

DOCKERFILE = r"""
# COPY commented out
ARG BASE
FROM ${BASE} AS build
COPY --chown=1:1 operator/pyproject.toml \
     operator/src /app/
COPY ["a b", "/app/"]
COPY --from=build /venv /venv
RUN --mount=type=bind,source=requirements,target=/r --mount=type=cache,target=/c pip install -r /r/x.txt
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("operator/src/pkg/__init__.py", "operator/src/pkg/__pycache__/x.pyc", "operator/pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def write(project: Path, text: str) -> Path:
    dockerfile = project / "Dockerfile"
    dockerfile.write_text(text)
    return dockerfile


def test_continued_lines_are_one_instruction() -> None:
    assert list(instructions("RUN a \\\n  b\nUSER 1\n")) == ["RUN a    b", "USER 1"]


def test_every_source_in_the_context_is_found_and_stages_are_not() -> None:
    assert sources(DOCKERFILE) == ["operator/pyproject.toml", "operator/src", "a b", "requirements"]


def test_caches_are_not_collected(project: Path) -> None:
    files = collect(project, write(project, "COPY operator /x\n"), {})
    assert sorted(files) == ["operator/pyproject.toml", "operator/src/pkg/__init__.py"]


def test_a_file_from_elsewhere_takes_its_place(project: Path, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("binary")
    files = collect(project, write(project, "COPY .tools/pause /pause\n"), {".tools/pause": tool})
    assert files == {".tools/pause": tool}


def test_a_missing_source_is_named(project: Path) -> None:
    with pytest.raises(LocalError, match="copies 'nowhere', which is not in the project"):
        collect(project, write(project, "COPY nowhere /x\n"), {})


def test_the_hash_changes_with_content_name_mode_and_settings(project: Path) -> None:
    file = project / "operator/pyproject.toml"
    before = digest({"a": file}, {"BASE": "x"})
    assert digest({"b": file}, {"BASE": "x"}) != before
    assert digest({"a": file}, {"BASE": "y"}) != before
    file.chmod(0o755)
    executable = digest({"a": file}, {"BASE": "x"})
    assert executable != before
    file.write_text("changed")
    assert digest({"a": file}, {"BASE": "x"}) != executable


def test_the_staged_context_holds_the_collected_files_only(project: Path, tmp_path: Path) -> None:
    dockerfile = write(project, "COPY operator/src /x\n")
    target = tmp_path / "staged"
    target.mkdir()
    (target / "stale").write_text("")
    stage(collect(project, dockerfile, {}), dockerfile, target)
    staged = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert staged == ["Dockerfile", "operator/src/pkg/__init__.py"]
