"""A repository's folders: which models and versions they hold, and which of those are loaded."""

from pathlib import Path

import pytest

from modelyard_server.errors import PackageError
from modelyard_server.models import layout
from modelyard_server.models.layout import Candidate
from modelyard_server.package import parse
from modelyard_server.settings import Settings, VersionPolicy
from unit.server import live


def scan(root: Path) -> dict[str, list[str]]:
    found = layout.scan(Settings(model=Path("/nowhere"), repository=root))
    return {name: [candidate.version for candidate in candidates] for name, candidates in found.items()}


def test_versions_are_folders_and_a_package_without_them_has_its_own(tmp_path: Path) -> None:
    for path in ("digits/2", "digits/10", "digits/1", "echo"):
        live.write_package(tmp_path / path, live.echo_card())
    assert scan(tmp_path) == {"digits": ["1", "2", "10"], "echo": ["3"]}


def test_what_is_no_package_is_passed_over(tmp_path: Path) -> None:
    live.write_package(tmp_path / "echo" / "1", live.echo_card())
    live.write_package(tmp_path / ".Trash" / "1", live.echo_card())
    (tmp_path / "echo" / "notes").mkdir()
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "README").write_text("x")
    assert scan(tmp_path) == {"echo": ["1"]}


def test_a_wrong_card_has_no_version_yet(tmp_path: Path) -> None:
    (tmp_path / "echo").mkdir()
    (tmp_path / "echo" / parse.FILE).write_text("name: []")
    assert scan(tmp_path) == {"echo": [""]}


def test_one_package_has_the_name_of_the_settings_or_its_own(tmp_path: Path) -> None:
    root = live.write_package(tmp_path / "package", live.echo_card())
    assert list(layout.scan(Settings(model=root))) == ["echo"]
    assert layout.scan(Settings(model=root, name="n")) == {"n": (Candidate("n", "3", root),)}
    with pytest.raises(PackageError, match="no such directory"):
        layout.scan(Settings(model=tmp_path / "missing"))


@pytest.mark.parametrize(
    ("versions", "highest"),
    [(["9", "10"], "10"), (["v1.9", "v1.10"], "v1.10"), (["1", "beta"], "1"), (["", "1"], "1"),
     (["2024-01-02", "2024-01-10"], "2024-01-10")],
)  # fmt: skip
def test_numbers_within_versions_are_compared_by_value(versions: list[str], highest: str) -> None:
    for order in (versions, versions[::-1]):
        assert max(order, key=layout.order) == highest


@pytest.mark.parametrize(("policy", "loaded"), [("latest", ["10"]), ("all", ["2", "10"])])
def test_the_policy_chooses_among_versions(policy: VersionPolicy, loaded: list[str]) -> None:
    candidates = [Candidate("echo", version, Path()) for version in ("10", "2")]
    assert [candidate.version for candidate in layout.wanted(candidates, policy)] == loaded
