"""`manifest.json`: every file's size and sha256. Its own sha256 is the digest of the package."""

import hashlib
from typing import Annotated, Literal

import msgspec

from modelyard_server.errors import PackageError
from modelyard_server.package import safety

FILE = "manifest.json"
CARD_FILE = "model.yaml"
SCHEMA: Literal["modelyard.dev/package/v1"] = "modelyard.dev/package/v1"
MAX_FILES = 10_000
MAX_MANIFEST_BYTES = 8 * 1024 * 1024
DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the package."""

    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, msgspec.Meta(ge=0)]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All files of the package but the manifest itself, by relative POSIX path."""

    schema: Literal["modelyard.dev/package/v1"]
    files: Annotated[dict[str, FileEntry], msgspec.Meta(max_length=MAX_FILES)]

    def total_bytes(self) -> int:
        """Size of all files together."""
        return sum(entry.size for entry in self.files.values())


def encode(files: dict[str, FileEntry]) -> bytes:
    """Canonical bytes: sorted keys, compact, newline at the end; equal packages have equal digests."""
    return msgspec.json.encode(Manifest(SCHEMA, files), order="sorted") + b"\n"


def parse(document: bytes) -> Manifest:
    """Check and decode; refuses paths that lead out of the package."""
    if len(document) > MAX_MANIFEST_BYTES:
        raise PackageError(f"{FILE}: {len(document)} bytes, allowed are {MAX_MANIFEST_BYTES}")
    try:
        manifest = msgspec.json.decode(document, type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise PackageError(f"{FILE}: {error}") from error
    for path in manifest.files:
        if problem := safety.path_problem(path):
            raise PackageError(f"{FILE}: path {path!r} {problem}")
    if FILE in manifest.files:
        raise PackageError(f"{FILE}: lists itself; the package digest covers it already")
    if CARD_FILE not in manifest.files:
        raise PackageError(f"{FILE}: does not list {CARD_FILE}; the package has no model card")
    return manifest


def digest(document: bytes) -> str:
    """The package digest: `sha256:` and the hash of the manifest's bytes."""
    return "sha256:" + hashlib.sha256(document).hexdigest()
