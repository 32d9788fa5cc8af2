"""The command line: help everywhere, errors as one message with the log's last lines."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from modelyard_local import kubeconfig
from modelyard_local.__main__ import main
from modelyard_local.errors import LocalError, tail
from modelyard_local.paths import Paths

COMMANDS = ["up", "down", "status", "tools", "images", "api-up", "api-down", "kubeconfig", "logs"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODELYARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MODELYARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "home"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"modelyard_local {command}" in capsys.readouterr().out


def test_an_error_is_shown_with_the_end_of_its_log(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = home / "log" / "etcd.log"
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"line {number}\n" for number in range(100)))

    def fail(*_: object) -> None:
        raise LocalError("etcd stopped", log=log)

    monkeypatch.setattr("modelyard_local.cluster.up", fail)
    assert main(["up"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: etcd stopped\n")
    assert "line 80\n" in shown
    assert "line 79\n" not in shown


def test_the_kubeconfig_of_no_cluster_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kubeconfig"]) == 1
    assert "there is no cluster; run `up`" in capsys.readouterr().err


def test_a_log_is_printed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "log").mkdir(parents=True)
    (home / "log" / "etcd.log").write_text("a\nb\n")
    assert main(["logs", "etcd", "--lines", "1"]) == 0
    assert capsys.readouterr().out == "b\n"


def test_a_log_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "cannot be read" in tail(tmp_path / "no.log")


def test_folders_come_from_the_environment() -> None:
    paths = Paths.from_env({"HOME": "/home/ada"})
    assert paths.home == Path("/var/lib/modelyard-local")
    assert paths.cache == Path("/home/ada/.cache/modelyard")
    assert Paths.from_env({"MODELYARD_HOME": "/x", "MODELYARD_CACHE": "/y"}).binaries == Path("/y/bin")


def test_a_kubeconfig_is_for_its_owner_only_and_written_once(tmp_path: Path) -> None:
    path = tmp_path / "admin.kubeconfig"
    text = kubeconfig.render("https://127.0.0.1:1", b"authority", {"token": "secret"})
    kubeconfig.write_private(path, text)
    before = path.stat()
    kubeconfig.write_private(path, text)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert stat.S_IMODE(before.st_mode) == 0o600
    assert json.loads(text)["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"
