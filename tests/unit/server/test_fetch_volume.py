"""`fetch` end to end from a mounted claim: what is published, what is refused, what the operator is told."""

import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from modelyard_server.__main__ import main
from unit.server import packages


class Fetch:
    """Runs the command against a claim in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.claim = folder / "claim"
        self.dest = folder / "dest"
        self.termination = folder / "termination"
        self.claim.mkdir()

    def __call__(self, uri: str, *flags: str) -> tuple[int, Any]:
        paths = ["--dest", str(self.dest), "--pvc-root", str(self.claim), "--termination-log", str(self.termination)]
        code = main(["fetch", "--uri", uri, *paths, *flags])
        return code, json.loads(self.termination.read_text())

    def published(self) -> dict[str, bytes]:
        return packages.contents(self.dest)


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    return Fetch(tmp_path)


def test_a_directory_is_copied_and_reported(fetch: Fetch) -> None:
    digest = packages.make(fetch.claim / "digits" / "1", {"deep/er/extra.json": b"{}"})
    code, told = fetch("pvc://models/digits/1", "--digest", digest, "--format", "echo")
    assert code == 0
    assert fetch.published() == packages.contents(fetch.claim / "digits" / "1")
    size = sum(len(content) for name, content in fetch.published().items() if name != "manifest.json")
    assert told == {"digest": digest, "name": "echo", "version": "3", "format": "echo", "bytes": size}


def test_the_claims_root_may_be_the_package(fetch: Fetch) -> None:
    packages.make(fetch.claim)
    assert fetch("pvc://models")[0] == 0


def test_fetching_again_replaces_what_was_there(fetch: Fetch) -> None:
    packages.make(fetch.claim / "a", {"old.json": b"{}"})
    packages.make(fetch.claim / "b")
    (fetch.dest / ".fetch-crashed").mkdir(parents=True)
    assert fetch("pvc://c/a")[0] == 0
    assert fetch("pvc://c/b")[0] == 0
    assert fetch.published() == packages.contents(fetch.claim / "b")
    assert not list(fetch.dest.glob(".fetch-*"))


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz", ".zip"])
@pytest.mark.parametrize("top", ["", "./", "digits/"])
def test_archives_are_unpacked(fetch: Fetch, tmp_path: Path, suffix: str, top: str) -> None:
    digest = packages.make(tmp_path / "p", {"deep/extra.json": b"{}"})
    if suffix == ".zip":
        packages.zipped(fetch.claim / f"m{suffix}", tmp_path / "p")
    else:
        packages.tar(fetch.claim / f"m{suffix}", tmp_path / "p", top, "w" if suffix == ".tar" else "w:gz")
    code, told = fetch(f"pvc://models/m{suffix}")
    assert (code, told["digest"]) == (0, digest)
    assert fetch.published() == packages.contents(tmp_path / "p")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("pvc://models/digts/1", "no digts in / of the claim; did you mean digits?"),
        ("pvc://models/digits/2", "no 2 in /digits of the claim; found 1"),
        ("pvc://models/digits", "no manifest.json in /digits of the claim; found 1"),
        ("pvc://models/m.zip", "no m.zip in / of the claim; found digits"),
    ],
)
def test_a_missing_model_names_what_is_there(fetch: Fetch, uri: str, words: str) -> None:
    packages.make(fetch.claim / "digits" / "1")
    code, told = fetch(uri)
    assert (code, told["reason"]) == (1, "ModelNotFound")
    assert words in told["message"]


def test_another_digest_is_a_mismatch(fetch: Fetch) -> None:
    packages.make(fetch.claim)
    code, told = fetch("pvc://m", "--digest", "sha256:" + "0" * 64)
    assert (code, told["reason"]) == (1, "DigestMismatch")
    assert fetch.published() == {}


def test_a_changed_file_is_a_mismatch(fetch: Fetch) -> None:
    packages.make(fetch.claim)
    (fetch.claim / "model.safetensors").write_bytes(b"v" * 5000)
    code, told = fetch("pvc://m")
    assert (code, told["reason"], "model.safetensors: sha256" in told["message"]) == (1, "DigestMismatch", True)
    assert fetch.published() == {}


def test_a_longer_file_is_cut_off(fetch: Fetch) -> None:
    packages.make(fetch.claim)
    (fetch.claim / "model.safetensors").write_bytes(b"w" * 5001)
    assert "larger than the 5000 bytes" in fetch("pvc://m")[1]["message"]


def test_a_missing_file_is_named(fetch: Fetch) -> None:
    packages.make(fetch.claim)
    (fetch.claim / "model.safetensors").unlink()
    assert "no model.safetensors in /" in fetch("pvc://m")[1]["message"]


def test_unsafe_files_need_allow(fetch: Fetch) -> None:
    packages.make(fetch.claim, {"weights.pkl": b"cos\nsystem\n"})
    code, told = fetch("pvc://m")
    assert (code, told["reason"], "weights.pkl" in told["message"]) == (1, "UnsafeFormat", True)
    assert fetch("pvc://m", "--unsafe-formats", "Allow")[0] == 0


def test_another_format_than_asked_for_is_refused(fetch: Fetch) -> None:
    packages.make(fetch.claim)
    code, told = fetch("pvc://m", "--format", "sklearn")
    assert (code, "format is echo, spec.model.format asks for sklearn" in told["message"]) == (1, True)


def test_links_out_of_the_claim_are_refused(fetch: Fetch, tmp_path: Path) -> None:
    packages.make(fetch.claim)
    (tmp_path / "secret").write_bytes(b"w" * 5000)
    (fetch.claim / "model.safetensors").unlink()
    (fetch.claim / "model.safetensors").symlink_to(tmp_path / "secret")
    assert "link out of the claim" in fetch("pvc://m")[1]["message"]


@pytest.mark.parametrize(
    ("uri", "flags"),
    [("ftp://x/y", []), ("s3://bucket", []), ("s3:///x", []), ("https://host", []), ("pvc://m/../x", []),
     ("https://user:pw@host/x.tar", []), ("https://host/x.tar?token=1", []), ("pvc://m", ["--digest", "sha256:1"])],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(fetch: Fetch, uri: str, flags: list[str]) -> None:
    code, told = fetch(uri, *flags)
    assert (code, told["reason"]) == (2, "FetchFailed")
    assert "pw" not in told["message"].replace("password", "")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("../evil", tarfile.REGTYPE, "'..'"),
        ("/etc/evil", tarfile.REGTYPE, "is absolute"),
        ("link", tarfile.SYMTYPE, "is a link"),
        ("link", tarfile.LNKTYPE, "is a link"),
        ("null", tarfile.CHRTYPE, "is a device"),
        ("pipe", tarfile.FIFOTYPE, "is a device or other special file"),
        ("model.yaml", tarfile.REGTYPE, "is given twice"),
        ("a\\b", tarfile.REGTYPE, "backslash"),
    ],
)
def test_a_hostile_tar_is_refused_whole(fetch: Fetch, tmp_path: Path, name: str, kind: bytes, message: str) -> None:
    packages.make(tmp_path / "p")
    packages.tar(fetch.claim / "m.tar", tmp_path / "p", mode="w")
    with tarfile.open(fetch.claim / "m.tar", "a") as archive:
        packages.add(archive, name, kind=kind)
    code, told = fetch("pvc://m/m.tar")
    assert (code, told["reason"], message in told["message"]) == (1, "FetchFailed", True), told
    assert fetch.published() == {}
    assert not (tmp_path / "evil").exists()


def test_a_zip_with_a_link_is_refused(fetch: Fetch, tmp_path: Path) -> None:
    packages.make(tmp_path / "p")
    packages.zipped(fetch.claim / "m.zip", tmp_path / "p")
    entry = zipfile.ZipInfo("link")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(fetch.claim / "m.zip", "a") as archive:
        archive.writestr(entry, "/etc/passwd")
    assert "link or special file" in fetch("pvc://m/m.zip")[1]["message"]


def test_a_zip_bomb_is_refused(fetch: Fetch) -> None:
    with zipfile.ZipFile(fetch.claim / "m.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(70 * 1024 * 1024))
    assert "decompression bomb" in fetch("pvc://m/m.zip")[1]["message"]


def test_too_many_entries_are_refused(fetch: Fetch) -> None:
    with zipfile.ZipFile(fetch.claim / "m.zip", "w") as archive, tarfile.open(fetch.claim / "m.tar", "w") as tar:
        for number in range(10_002):
            archive.writestr(str(number), "")
            packages.add(tar, str(number))
    assert "entries" in fetch("pvc://m/m.zip")[1]["message"]
    assert "entries" in fetch("pvc://m/m.tar")[1]["message"]


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_a_damaged_archive_is_refused(fetch: Fetch, tmp_path: Path, suffix: str) -> None:
    packages.make(tmp_path / "p")
    pack = packages.zipped if suffix == ".zip" else packages.tar
    whole = pack(tmp_path / f"m{suffix}", tmp_path / "p").read_bytes()
    (fetch.claim / f"m{suffix}").write_bytes(whole[: len(whole) // 2])
    code, told = fetch(f"pvc://m/m{suffix}")
    assert (code, "damaged" in told["message"]) == (1, True), told


def test_an_archive_with_unsafe_files_is_refused(fetch: Fetch, tmp_path: Path) -> None:
    packages.make(tmp_path / "p", {"model.pt": b""})
    packages.tar(fetch.claim / "m.tgz", tmp_path / "p")
    assert fetch("pvc://m/m.tgz")[1]["reason"] == "UnsafeFormat"


def test_an_archive_that_is_no_package_is_refused(fetch: Fetch, tmp_path: Path) -> None:
    packages.make(tmp_path / "p")
    (tmp_path / "p" / "manifest.json").unlink()
    packages.tar(fetch.claim / "m.tgz", tmp_path / "p")
    code, told = fetch("pvc://m/m.tgz")
    assert (code, "invalid package" in told["message"]) == (1, True)


def test_verify_and_pack_from_the_command_line(fetch: Fetch, capsys: pytest.CaptureFixture[str]) -> None:
    digest = packages.make(fetch.claim)
    assert main(["pack", str(fetch.claim)]) == 0
    assert main(["verify", str(fetch.claim)]) == 0
    assert capsys.readouterr().out.split() == [digest, digest]
    assert main(["verify", str(fetch.claim), "--digest", "sha256:" + "0" * 64]) == 1
    (fetch.claim / "model.yaml").unlink()
    assert main(["verify", str(fetch.claim)]) == 1
    assert main(["pack", str(fetch.claim)]) == 1
    assert "model.yaml" in capsys.readouterr().err
