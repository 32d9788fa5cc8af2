"""Certificates: made once, made again when they say something else, trusted by their authority only."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelyard_local.commands import run, succeeds
from modelyard_local.pki import Certificate, alternative_name, ensure

SERVER = Certificate("server", "etcd", hosts=("127.0.0.1", "localhost"), authority="etcd-ca")
ADMIN = Certificate("admin", "admin", "system:masters")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    assert ensure(folder, [SERVER, ADMIN]) == 6
    return folder


def test_a_second_run_makes_nothing(pki: Path) -> None:
    assert ensure(pki, [SERVER, ADMIN]) == 0


def test_a_certificate_is_trusted_by_its_own_authority_only(pki: Path) -> None:
    assert succeeds(["openssl", "verify", "-CAfile", pki / "etcd-ca.crt", pki / "server.crt"])
    assert not succeeds(["openssl", "verify", "-CAfile", pki / "ca.crt", pki / "server.crt"])


def test_the_certificate_names_user_group_and_use(pki: Path) -> None:
    text = run(["openssl", "x509", "-in", pki / "admin.crt", "-noout", "-subject", "-ext", "extendedKeyUsage"])
    assert "O = system:masters, CN = admin" in text
    assert "TLS Web Server Authentication" not in text


def test_keys_are_for_their_owner_only(pki: Path) -> None:
    modes = {key.name: key.stat().st_mode & 0o077 for key in pki.glob("*.key")}
    assert modes == dict.fromkeys(
        ["admin.key", "ca.key", "etcd-ca.key", "front-proxy-ca.key", "sa.key", "server.key"], 0
    )


def test_another_host_makes_that_certificate_again_and_no_other(tmp_path: Path, pki: Path) -> None:
    run(["cp", "-r", pki, tmp_path / "pki"])
    moved = Certificate("server", "etcd", hosts=("10.0.0.1",), authority="etcd-ca")
    assert ensure(tmp_path / "pki", [moved, ADMIN]) == 1


@pytest.mark.parametrize(("host", "name"), [("10.96.0.1", "IP:10.96.0.1"), ("::1", "IP:::1"), ("node", "DNS:node")])
def test_addresses_and_names_are_told_apart(host: str, name: str) -> None:
    assert alternative_name(host) == name
