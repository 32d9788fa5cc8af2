"""Certificate authorities and certificates, made by the openssl command line.

Three authorities, so that no client of the API server can talk to etcd or pose as the front proxy.
Leaf certificates are made again when what they say changes or when they grow old; authorities never.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .commands import run

AUTHORITY_DAYS = 3650
LEAF_DAYS = 365
RENEW_AFTER_SECONDS = 300 * 24 * 3600
AUTHORITIES = ("ca", "front-proxy-ca", "etcd-ca")
_CONFIG = "[req]\ndistinguished_name = subject\n[subject]\n"


@dataclass(frozen=True)
class Certificate:
    """A leaf certificate; one with `hosts` (names or addresses) also serves."""

    name: str
    common_name: str
    organisation: str | None = None
    hosts: tuple[str, ...] = ()
    authority: str = "ca"

    @property
    def subject(self) -> str:
        """The subject in openssl's notation."""
        organisation = f"/O={self.organisation}" if self.organisation else ""
        return f"{organisation}/CN={self.common_name}"

    @property
    def extensions(self) -> list[str]:
        """The X.509 extensions in openssl's notation."""
        usage = "clientAuth,serverAuth" if self.hosts else "clientAuth"
        lines = ["basicConstraints=critical,CA:FALSE", f"extendedKeyUsage={usage}"]
        if self.hosts:
            lines.append("subjectAltName=" + ",".join(alternative_name(host) for host in self.hosts))
        return lines

    def fingerprint(self) -> str:
        """Return a text that changes when the certificate must be made again."""
        return "|".join([self.authority, self.subject, *self.extensions])


def alternative_name(host: str) -> str:
    """Return `IP:` or `DNS:` before a host, as openssl wants it."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return f"DNS:{host}"
    return f"IP:{host}"


def ensure(folder: Path, certificates: Sequence[Certificate]) -> int:
    """Make what is missing, changed or old in `folder`; return how many files pairs were made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "openssl.cnf").write_text(_CONFIG)
    stamp = folder / "issued.json"
    issued: dict[str, tuple[str, float]] = json.loads(stamp.read_text()) if stamp.exists() else {}
    authorities = [name for name in AUTHORITIES if not (folder / f"{name}.crt").exists()]
    wanted = [c for c in certificates if c.authority in authorities or _is_stale(folder, c, issued)]
    keys_missing = not (folder / "sa.pub").exists()
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda name: _make_authority(folder, name), authorities))
        list(pool.map(lambda certificate: _make_leaf(folder, certificate), wanted))
    if keys_missing:
        _make_token_keys(folder)
    issued |= {c.name: (c.fingerprint(), time.time()) for c in wanted}
    if wanted:
        stamp.write_text(json.dumps(issued))
    return len(authorities) + len(wanted) + keys_missing


def _is_stale(folder: Path, certificate: Certificate, issued: dict[str, tuple[str, float]]) -> bool:
    fingerprint, at = issued.get(certificate.name, ("", 0.0))
    is_old = time.time() - at > RENEW_AFTER_SECONDS
    return is_old or fingerprint != certificate.fingerprint() or not (folder / f"{certificate.name}.crt").exists()


def _request(folder: Path, name: str, days: int, subject: str, extensions: Sequence[str]) -> list[str]:
    additions = [part for extension in extensions for part in ("-addext", extension)]
    key, certificate = str(folder / f"{name}.key"), str(folder / f"{name}.crt")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256"]
    files = ["-config", str(folder / "openssl.cnf"), "-keyout", key, "-out", certificate]
    return ["openssl", "req", "-x509", *curve, *files, "-days", str(days), "-subj", subject, *additions]


def _make_authority(folder: Path, name: str) -> None:
    extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,digitalSignature,keyCertSign,cRLSign"]
    run(_request(folder, name, AUTHORITY_DAYS, f"/CN=modelyard-local-{name}", extensions))


def _make_leaf(folder: Path, certificate: Certificate) -> None:
    signer = [
        "-CA",
        str(folder / f"{certificate.authority}.crt"),
        "-CAkey",
        str(folder / f"{certificate.authority}.key"),
    ]
    run(_request(folder, certificate.name, LEAF_DAYS, certificate.subject, certificate.extensions) + signer)


def _make_token_keys(folder: Path) -> None:
    """Make the pair that signs and checks ServiceAccount tokens."""
    run(["openssl", "genrsa", "-out", folder / "sa.key", "2048"])
    run(["openssl", "rsa", "-in", folder / "sa.key", "-pubout", "-out", folder / "sa.pub"])
