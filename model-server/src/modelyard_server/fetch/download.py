"""The flow: manifest first, then its files into a hidden directory, verified, and only then visible."""

import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from modelyard_server.errors import FetchError
from modelyard_server.fetch import archive, objects, transfer, volume
from modelyard_server.fetch.credentials import Credentials
from modelyard_server.fetch.source import Source
from modelyard_server.fetch.uri import Location
from modelyard_server.package import files, manifest
from modelyard_server.package.card import ModelCard
from modelyard_server.package.manifest import FileEntry

STREAMS = 4
STAGING = ".fetch-"
MAX_ARCHIVE_BYTES = 1 << 40


class Wanted(msgspec.Struct, frozen=True):
    """What to fetch, and what it must be."""

    location: Location
    dest: Path
    digest: str = ""
    format: str = ""
    allow_unsafe: bool = False


class Fetched(msgspec.Struct, frozen=True):
    """What is now in the destination."""

    digest: str
    card: ModelCard
    total_bytes: int


def open_source(location: Location, credentials: Credentials, pvc_root: Path) -> Source:
    """The source for a location."""
    if location.scheme == "pvc":
        return volume.VolumeSource(pvc_root, location)
    return objects.s3(location, credentials) if location.scheme == "s3" else objects.https(location, credentials)


def fetch(wanted: Wanted, source: Source) -> Fetched:
    """Fetch one package; raises FetchError or PackageError and leaves nothing half-done visible."""
    wanted.dest.mkdir(parents=True, exist_ok=True)
    for leftover in wanted.dest.glob(f"{STAGING}*"):
        shutil.rmtree(leftover)
    staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=wanted.dest))
    try:
        package = _archive(wanted, source, staging) if wanted.location.archive else _directory(wanted, source, staging)
        fetched = _check(wanted, package)
        _publish(package, wanted.dest)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return fetched


def _directory(wanted: Wanted, source: Source, staging: Path) -> Path:
    """Manifest, then exactly the files it lists, a few at a time; each is checked against its entry as it arrives."""
    document = _manifest(wanted, source)
    listed = manifest.parse(document)
    archive.refuse_unsafe(sorted(listed.files), allow_unsafe=wanted.allow_unsafe)
    _check_space(wanted.dest, listed.total_bytes())
    transfer.say(f"{len(listed.files)} files, {transfer.mebibytes(listed.total_bytes())}")
    progress = transfer.Progress(listed.total_bytes())
    package = staging / "package"

    def download(item: tuple[str, FileEntry]) -> None:
        path, entry = item
        _download(source, path, entry, package / path, progress)

    with ThreadPoolExecutor(STREAMS, thread_name_prefix="fetch") as pool:
        for _ in pool.map(download, listed.files.items()):
            pass
    (package / manifest.FILE).write_bytes(document)
    return package


def _manifest(wanted: Wanted, source: Source) -> bytes:
    def attempt() -> bytes:
        return transfer.read_small(source, manifest.FILE, manifest.MAX_MANIFEST_BYTES)

    try:
        document = transfer.retrying(wanted.location.uri, attempt)
    except FileNotFoundError as error:
        raise source.explain_missing(manifest.FILE) from error
    _check_digest(wanted, manifest.digest(document))
    return document


def _download(source: Source, path: str, entry: FileEntry, target: Path, progress: transfer.Progress) -> None:
    def attempt() -> FileEntry:
        return transfer.save(source.stream(path), target, entry.size, progress)

    try:
        found = transfer.retrying(path, attempt)
    except FileNotFoundError as error:
        raise source.explain_missing(path) from error
    if found != entry:
        message = (
            f"{path}: sha256 {found.sha256} ({found.size} bytes), the manifest says {entry.sha256} ({entry.size} bytes)"
        )
        raise FetchError("DigestMismatch", message)


def _archive(wanted: Wanted, source: Source, staging: Path) -> Path:
    packed = staging / "archive"
    progress = transfer.Progress(0)

    def attempt() -> FileEntry:
        return transfer.save(source.stream(""), packed, MAX_ARCHIVE_BYTES, progress)

    try:
        transfer.retrying(wanted.location.uri, attempt)
    except FileNotFoundError as error:
        raise source.explain_missing("") from error
    package = archive.unpack(packed, staging / "package", allow_unsafe=wanted.allow_unsafe)
    packed.unlink()
    files.verify(package)
    return package


def _check(wanted: Wanted, package: Path) -> Fetched:
    document = (package / manifest.FILE).read_bytes()
    digest = manifest.digest(document)
    _check_digest(wanted, digest)
    card = files.read(package).card
    if wanted.format and card.format != wanted.format:
        message = f"model.yaml: format is {card.format}, spec.model.format asks for {wanted.format}"
        raise FetchError("FetchFailed", message)
    return Fetched(digest, card, manifest.parse(document).total_bytes())


def _check_digest(wanted: Wanted, digest: str) -> None:
    if wanted.digest and wanted.digest != digest:
        message = f"{wanted.location.uri}: digest is {digest}, spec.model.digest is {wanted.digest}"
        raise FetchError("DigestMismatch", message)


def _check_space(dest: Path, needed: int) -> None:
    free = shutil.disk_usage(dest).free
    if needed > free:
        message = f"the package has {transfer.mebibytes(needed)}, {dest} has {transfer.mebibytes(free)} free"
        raise FetchError("FetchFailed", message)


def _publish(package: Path, dest: Path) -> None:
    """Move the package up by renames, the manifest last: where it lies, everything lies. `dest` may be a mount."""
    for old in dest.iterdir():
        if not old.name.startswith(STAGING) and old.name != "lost+found":
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    for entry in sorted(package.iterdir(), key=lambda path: path.name == manifest.FILE):
        entry.rename(dest / entry.name)


def describe(fetched: Fetched) -> Mapping[str, str | int]:
    """The termination message of a success."""
    card = fetched.card
    return {
        "digest": fetched.digest,
        "name": card.name,
        "version": card.version,
        "format": card.format,
        "bytes": fetched.total_bytes,
    }
