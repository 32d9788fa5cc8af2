"""`fetch` over real TLS on loopback: a private authority, tokens, faults that pass and faults that stay."""

import base64
import datetime as dt
import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from modelyard_server.__main__ import main
from modelyard_server.fetch import transfer
from unit.server import packages


def certificate(folder: Path) -> tuple[Path, str]:
    """A self-signed certificate for 127.0.0.1: a file with key and certificate, and the certificate's text."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    text = made.public_bytes(serialization.Encoding.PEM)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = folder / "server.pem"
    path.write_bytes(text + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return path, text.decode()


class Site:
    """A TLS file server that can ask for credentials and fail on purpose."""

    def __init__(self, root: Path, pem: Path) -> None:
        self.root = root
        self.authorization = ""
        self.faults: list[int] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = site.root / self.path.lstrip("/")
                if site.authorization and self.headers.get("Authorization") != site.authorization:
                    self.reply(401, b"")
                elif site.faults:
                    self.reply(site.faults.pop(), b"")
                elif path.is_file():
                    self.reply(200, path.read_bytes())
                else:
                    self.reply(404, b"")

            def reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
                """Silence."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def site(tmp_path: Path, identity: tuple[Path, str]) -> Iterator[Site]:
    (tmp_path / "www").mkdir()
    served = Site(tmp_path / "www", identity[0])
    yield served
    served.server.shutdown()
    served.server.server_close()


@pytest.fixture
def secret(tmp_path: Path, identity: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(transfer, "FIRST_DELAY", 0.001)
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "CA_CERT").write_text(identity[1])
    return folder


def fetch(tmp_path: Path, uri: str, secret: Path) -> tuple[int, Any]:
    told = tmp_path / "termination"
    paths = ["--dest", str(tmp_path / "dest"), "--termination-log", str(told), "--credentials", str(secret)]
    return main(["fetch", "--uri", uri, *paths]), json.loads(told.read_text())


def test_a_directory_is_fetched_file_by_file(tmp_path: Path, site: Site, secret: Path) -> None:
    digest = packages.make(site.root / "digits" / "1", {"deep/x.json": b"{}"})
    code, told = fetch(tmp_path, f"{site.url}/digits/1/", secret)
    assert (code, told.get("digest")) == (0, digest), told
    assert packages.contents(tmp_path / "dest") == packages.contents(site.root / "digits" / "1")


def test_an_archive_is_fetched_and_unpacked(tmp_path: Path, site: Site, secret: Path) -> None:
    digest = packages.make(tmp_path / "p")
    packages.tar(site.root / "m.tar.gz", tmp_path / "p")
    assert fetch(tmp_path, f"{site.url}/m.tar.gz", secret)[1].get("digest") == digest


@pytest.mark.parametrize(
    ("keys", "header"),
    [
        ({"TOKEN": "t0ken\n"}, "Bearer t0ken"),
        ({"USERNAME": "u", "PASSWORD": "p"}, "Basic " + base64.b64encode(b"u:p").decode()),
    ],
)
def test_credentials_are_sent(tmp_path: Path, site: Site, secret: Path, keys: dict[str, str], header: str) -> None:
    packages.make(site.root)
    site.authorization = header
    (site.root / "m").mkdir()
    packages.make(site.root / "m")
    for name, value in keys.items():
        (secret / name).write_text(value)
    assert fetch(tmp_path, f"{site.url}/m", secret)[0] == 0


def test_rejected_credentials_name_keys_but_no_values(tmp_path: Path, site: Site, secret: Path) -> None:
    site.authorization = "Bearer right"
    (secret / "TOKEN").write_text("wr0ng")
    code, told = fetch(tmp_path, f"{site.url}/m", secret)
    assert (code, told["reason"]) == (1, "CredentialsRejected")
    assert "the Secret holds TOKEN" in told["message"]
    assert "wr0ng" not in told["message"]


def test_server_errors_are_tried_again(tmp_path: Path, site: Site, secret: Path) -> None:
    packages.make(site.root / "m")
    site.faults = [500, 503, 502]
    assert fetch(tmp_path, f"{site.url}/m", secret)[0] == 0


def test_lasting_server_errors_are_fetch_failed(tmp_path: Path, site: Site, secret: Path) -> None:
    site.faults = [503] * 20
    code, told = fetch(tmp_path, f"{site.url}/m", secret)
    assert (code, told["reason"], "5 attempts" in told["message"]) == (1, "FetchFailed", True)


def test_a_missing_file_is_model_not_found(tmp_path: Path, site: Site, secret: Path) -> None:
    code, told = fetch(tmp_path, f"{site.url}/m", secret)
    assert (code, told["reason"]) == (1, "ModelNotFound")
    assert told["message"] == f"{site.url}/m/manifest.json: there is no such file (404); check spec.model.uri"


def test_an_unknown_authority_is_refused_in_words(tmp_path: Path, site: Site, secret: Path) -> None:
    (secret / "CA_CERT").unlink()
    code, told = fetch(tmp_path, f"{site.url}/m", secret)
    assert (code, told["reason"], "certificate" in told["message"]) == (1, "FetchFailed", True), told


def test_a_broken_ca_certificate_is_named(tmp_path: Path, site: Site, secret: Path) -> None:
    (secret / "CA_CERT").write_text("no certificate")
    code, told = fetch(tmp_path, f"{site.url}/m", secret)
    assert (code, told["reason"]) == (1, "FetchFailed"), told
