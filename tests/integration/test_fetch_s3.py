"""`fetch` and the trainer's `--publish` against a real S3."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.object_store import ObjectStore, object_store
from modelyard_server.__main__ import main
from modelyard_server.errors import FetchError
from modelyard_server.fetch import transfer
from modelyard_trainer import publishing
from unit.server import packages


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("package")
    packages.make(root, {"deep/extra.json": b"{}"})
    return root


@pytest.fixture
def env(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(transfer, "FIRST_DELAY", 0.001)
    for key, value in store.env.items():
        monkeypatch.setenv(key, value)
    return monkeypatch


@pytest.fixture
def published(env: pytest.MonkeyPatch, package: Path) -> str:
    publishing.publish(package, "s3://models/echo/3", None, create_bucket=True)
    return "s3://models/echo/3"


def fetch(tmp_path: Path, uri: str, *flags: str) -> tuple[int, Any]:
    told = tmp_path / "termination"
    code = main(["fetch", "--uri", uri, "--dest", str(tmp_path / "dest"), "--termination-log", str(told), *flags])
    return code, json.loads(told.read_text())


def test_what_is_published_can_be_fetched(tmp_path: Path, package: Path, published: str) -> None:
    code, told = fetch(tmp_path, published)
    assert (code, told.get("name")) == (0, "echo"), told
    assert packages.contents(tmp_path / "dest") == packages.contents(package)


def test_the_manifest_is_written_last(store: ObjectStore, published: str) -> None:
    times = {
        path.name: path.stat().st_mtime_ns for path in (store.folder / "models/echo/3").rglob("*") if path.is_file()
    }
    # Files that are written within one tick of the file system's clock have the same time.
    assert times["manifest.json"] == max(times.values())


def test_an_archive_is_fetched(tmp_path: Path, store: ObjectStore, package: Path, published: str) -> None:
    packages.tar(store.folder / "models" / "echo.tar.gz", package)
    assert fetch(tmp_path, "s3://models/echo.tar.gz")[0] == 0


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("s3://modles/echo/3", "bucket modles does not exist"),
        ("s3://models/ecco/3", "no object with this prefix in bucket models"),
        ("s3://models/echo", "holds no manifest.json (found 3/"),
        ("s3://models/echo.zip", "there is no such file (404)"),
    ],
)
def test_a_wrong_uri_says_what_is_wrong_with_it(tmp_path: Path, published: str, uri: str, message: str) -> None:
    code, told = fetch(tmp_path, uri)
    assert (code, told["reason"]) == (1, "ModelNotFound")
    assert message in told["message"]


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "the Secret holds AWS_SECRET_ACCESS_KEY"),
        ({"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "x"}, "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_rejected_keys_are_named_not_shown(
    tmp_path: Path, published: str, secret: dict[str, str], message: str
) -> None:
    for key, value in secret.items():
        (tmp_path / key).write_text(value)
    code, told = fetch(tmp_path, published, "--credentials", str(tmp_path))
    assert (code, told["reason"], message in told["message"]) == (1, "CredentialsRejected", True), told
    assert "wrong" not in told["message"]


def test_without_keys_the_message_asks_for_them(tmp_path: Path, env: pytest.MonkeyPatch, published: str) -> None:
    env.delenv("AWS_ACCESS_KEY_ID")
    env.delenv("AWS_SECRET_ACCESS_KEY")
    code, told = fetch(tmp_path, published)
    assert (code, told["reason"], "no Secret is mounted" in told["message"]) == (1, "CredentialsRejected", True), told


def test_the_secret_beats_the_environment(
    tmp_path: Path, env: pytest.MonkeyPatch, store: ObjectStore, published: str
) -> None:
    env.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    env.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    folder = tmp_path / "secret"
    folder.mkdir()
    for key, value in store.env.items():
        (folder / key).write_text(value + "\n")
    assert fetch(tmp_path, published, "--credentials", str(folder))[0] == 0


def test_a_store_that_is_not_there_is_fetch_failed(tmp_path: Path, env: pytest.MonkeyPatch) -> None:
    env.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    code, told = fetch(tmp_path, "s3://models/x")
    assert (code, told["reason"]) == (1, "FetchFailed")
    assert "Connection refused" in told["message"]


def test_publishing_into_a_missing_bucket_says_how_to_make_it(env: pytest.MonkeyPatch, package: Path) -> None:
    with pytest.raises(
        publishing.PublishError, match="bucket nowhere does not exist; create it or add --create-bucket"
    ):
        publishing.publish(package, "s3://nowhere/x", None, create_bucket=False)


def test_publishing_with_a_wrong_key_is_refused(env: pytest.MonkeyPatch, package: Path, published: str) -> None:
    env.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises((publishing.PublishError, FetchError), match="refused the key pair"):
        publishing.publish(package, "s3://models/x", None, create_bucket=False)
