"""Unpack an archive that is not trusted: plain files only, no way out of the directory, bounded size and count."""

import errno
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from modelyard_server.errors import FetchError, PackageError
from modelyard_server.package import manifest, safety

MAX_RATIO = 200
"""Unpacked bytes per packed byte beyond which an archive counts as a bomb; weights hardly compress at all."""
SMALL = 64 * 1024 * 1024
_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    EOFError, NotImplementedError, OSError, OverflowError, RuntimeError, ValueError,
)  # fmt: skip
"""What the readers of the standard library raise for bytes that make no sense; found by changing them at random."""
_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EMFILE, errno.ENOMEM})
"""Not the archive's fault: a later try may succeed."""


class Member(msgspec.Struct, frozen=True):
    """One entry of an archive, before anything is written."""

    path: str
    size: int
    kind: str
    """`file`, `directory`, or what it is instead (a link, a device)."""


def problem(members: list[Member], packed_bytes: int) -> str | None:
    """Why the archive must not be unpacked, or None. Pure: it sees names and sizes only."""
    if len(members) > manifest.MAX_FILES:
        return f"holds {len(members)} entries, allowed are {manifest.MAX_FILES}"
    seen: set[str] = set()
    for member in members:
        if member.kind not in {"file", "directory"}:
            return f"{member.path!r} is a {member.kind}; only files and directories are allowed"
        if wrong := safety.path_problem(member.path):
            return f"path {member.path!r} {wrong}"
        if member.kind == "file" and member.path in seen:
            return f"path {member.path!r} is given twice"
        seen.add(member.path)
    total = sum(member.size for member in members)
    if total > max(packed_bytes * MAX_RATIO, SMALL):
        return f"unpacks to {total} bytes from {packed_bytes}; that looks like a decompression bomb"
    return None


def unpack(path: Path, target: Path, *, allow_unsafe: bool) -> Path:
    """Unpack into `target` and return the directory that holds the manifest. Raises PackageError or FetchError."""
    target.mkdir()
    try:
        if zipfile.is_zipfile(path):
            _unpack_zip(path, target, allow_unsafe)
        else:
            _unpack_tar(path, target, allow_unsafe)
    except PackageError:
        raise
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            raise
        raise PackageError(f"the archive is damaged or of an unknown kind: {error}") from error
    return package_root(target)


def package_root(target: Path) -> Path:
    """The archive's top, or its single directory: both ways of packing are common."""
    entries = list(target.iterdir())
    if not (target / manifest.FILE).exists() and len(entries) == 1 and entries[0].is_dir():
        return entries[0]
    return target


def refuse_unsafe(paths: list[str], *, allow_unsafe: bool) -> None:
    """Formats that run code need the deployment's word."""
    if (unsafe := safety.unsafe_files(paths)) and not allow_unsafe:
        names = ", ".join(unsafe[:5])
        message = f"{names} can run code when loaded; convert to safetensors or skops, or set unsafeFormats: Allow"
        raise FetchError("UnsafeFormat", message)


def _check(members: list[Member], packed_bytes: int, allow_unsafe: bool) -> None:
    if wrong := problem(members, packed_bytes):
        raise PackageError(f"the archive {wrong}")
    refuse_unsafe([member.path for member in members if member.kind == "file"], allow_unsafe=allow_unsafe)


def _unpack_tar(path: Path, target: Path, allow_unsafe: bool) -> None:
    with tarfile.open(path) as archive:
        entries = list(_bounded(archive))
        _check([_tar_member(entry) for entry in entries], path.stat().st_size, allow_unsafe)
        for entry in entries:
            if entry.isfile() and (content := archive.extractfile(entry)) is not None:
                _write(content, target / _clean(entry.name), entry.size)


def _bounded(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Headers one by one: an archive of a billion empty files must not fill the memory first."""
    for count, entry in enumerate(archive):
        if count > manifest.MAX_FILES:
            raise PackageError(f"the archive holds more than {manifest.MAX_FILES} entries")
        if _clean(entry.name) not in {"", "."}:
            yield entry


def _tar_member(entry: tarfile.TarInfo) -> Member:
    kinds = {"file": entry.isreg(), "directory": entry.isdir(), "link": entry.issym() or entry.islnk()}
    kind = next((name for name, holds in kinds.items() if holds), "device or other special file")
    if entry.issparse():
        kind = "sparse file"
    return Member(_clean(entry.name), entry.size, kind)


def _clean(name: str) -> str:
    """`./model.yaml` and `dir/` are the usual spelling in archives; anything else odd stays, to be refused."""
    return name.removeprefix("./").rstrip("/")


def _unpack_zip(path: Path, target: Path, allow_unsafe: bool) -> None:
    with zipfile.ZipFile(path) as archive:
        if len(archive.infolist()) > manifest.MAX_FILES:
            raise PackageError(f"the archive holds more than {manifest.MAX_FILES} entries")
        _check([_zip_member(entry) for entry in archive.infolist()], path.stat().st_size, allow_unsafe)
        for entry in archive.infolist():
            if not entry.is_dir():
                with archive.open(entry) as content:
                    _write(content, target / _clean(entry.filename), entry.file_size)


def _zip_member(entry: zipfile.ZipInfo) -> Member:
    mode = entry.external_attr >> 16
    kind = "directory" if entry.is_dir() else "file"
    if mode and stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        kind = "link or special file"
    return Member(_clean(entry.filename), entry.file_size, kind)


def _write(content: IO[bytes], target: Path, size: int) -> None:
    """Write as a plain file, whatever mode and owner the archive says; never more than its header said."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        shutil.copyfileobj(content, file, 1024 * 1024)
        if file.tell() != size:
            raise PackageError(f"the archive's {target.name} has {file.tell()} bytes, its header says {size}")
