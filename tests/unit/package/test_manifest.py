"""The manifest, the digest, and directories on disk."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_server.errors import PackageError
from modelyard_server.package import files, manifest, safety

CARD = b"""
name: a
version: '1'
format: torch
inputs: [{name: x, datatype: FP32, shape: [-1, 3]}]
outputs: [{name: y, datatype: FP32, shape: [-1]}]
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "model.yaml").write_bytes(CARD)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "w.safetensors").write_bytes(b"weights")
    return tmp_path


def test_the_digest_is_the_hash_of_the_canonical_manifest(package: Path) -> None:
    digest = files.seal(package)
    document = (package / "manifest.json").read_bytes()
    content = json.loads(document)
    assert digest == "sha256:" + hashlib.sha256(document).hexdigest()
    assert document == json.dumps(content, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    assert content["schema"] == "modelyard.dev/package/v1"
    assert content["files"]["deep/er/w.safetensors"] == {"sha256": hashlib.sha256(b"weights").hexdigest(), "size": 7}


def test_sealing_again_changes_nothing(package: Path) -> None:
    assert files.seal(package) == files.seal(package) == files.verify(package) == files.read(package).digest


def test_total_bytes_sums_the_files(package: Path) -> None:
    files.seal(package)
    assert manifest.parse((package / "manifest.json").read_bytes()).total_bytes() == len(CARD) + 7


def test_a_directory_without_a_manifest_has_no_digest(package: Path) -> None:
    assert files.read(package).digest == ""
    with pytest.raises(PackageError, match="modelyard-server pack"):
        files.verify(package)


def test_verify_lists_every_difference(package: Path) -> None:
    files.seal(package)
    (package / "extra").write_text("x")
    (package / "deep" / "er" / "w.safetensors").write_text("other")
    with pytest.raises(PackageError, match=r"2 differences.*extra is not in the manifest; .*has other contents"):
        files.verify(package)
    (package / "deep" / "er" / "w.safetensors").unlink()
    with pytest.raises(PackageError, match=r"w.safetensors is missing"):
        files.verify(package)


@pytest.mark.parametrize("name", ["model.yaml", "nothing"])
def test_what_is_no_package_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PackageError, match=r"no such directory|holds no model.yaml"):
        files.read(tmp_path if name == "model.yaml" else tmp_path / name)


def test_links_and_odd_names_are_not_packed(package: Path) -> None:
    (package / "back\\slash").write_text("x")
    with pytest.raises(PackageError, match="backslash"):
        files.seal(package)
    (package / "back\\slash").unlink()
    (package / "link").symlink_to("/etc/passwd")
    with pytest.raises(PackageError, match="links are not allowed"):
        files.seal(package)


def entry(size: int = 1) -> dict[str, object]:
    return {"sha256": "0" * 64, "size": size}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"{", "truncated"),
        ({"schema": "other", "files": {}}, "schema"),
        ({"schema": manifest.SCHEMA, "files": {"model.yaml": {"sha256": "x", "size": 1}}}, "matching regex"),
        ({"schema": manifest.SCHEMA, "files": {"model.yaml": entry(-1)}}, ">= 0"),
        ({"schema": manifest.SCHEMA, "files": {"a": entry()}}, "does not list model.yaml"),
        ({"schema": manifest.SCHEMA, "files": {"model.yaml": entry(), "manifest.json": entry()}}, "lists itself"),
        ({"schema": manifest.SCHEMA, "files": {"model.yaml": entry(), "../x": entry()}}, "'..'"),
        (b" " * (manifest.MAX_MANIFEST_BYTES + 1), "allowed are"),
    ],
)
def test_a_wrong_manifest_is_refused(document: object, message: str) -> None:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(PackageError) as error:
        manifest.parse(content)
    assert message in str(error.value)


@pytest.mark.parametrize("path", ["", "/a", "C:a", "a\\b", "a\nb", "a//b", "./a", "a/..", "x" * 513])
def test_paths_that_lead_astray_have_a_problem(path: str) -> None:
    assert safety.path_problem(path)


@given(st.lists(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}", fullmatch=True), min_size=1, max_size=5))
def test_plain_relative_paths_are_fine(parts: list[str]) -> None:
    assert safety.path_problem("/".join(parts)) is None


@given(st.text(max_size=40))
def test_no_accepted_path_leaves_its_directory(path: str) -> None:
    if safety.path_problem(path) is None:
        assert (Path("/base") / path).resolve().is_relative_to("/base")


def test_unsafe_formats_are_found_anywhere_in_a_name() -> None:
    names = ["a.safetensors", "b.PKL", "deep/c.pickle.gz", "model.yaml", "d.pt"]
    assert safety.unsafe_files(names) == ["b.PKL", "d.pt", "deep/c.pickle.gz"]
