"""Package directories: read one, seal one with a manifest, verify one. The only I/O of this room."""

import hashlib
import os
from pathlib import Path

import msgspec

from modelyard_server.errors import PackageError
from modelyard_server.package import manifest, parse, safety
from modelyard_server.package.card import ModelCard

CHUNK = 1024 * 1024


class Package(msgspec.Struct, frozen=True):
    """A package on disk. `digest` is empty when it has no manifest (a directory at a developer's desk)."""

    root: Path
    card: ModelCard
    digest: str


def read(root: Path) -> Package:
    """Read card and digest; weights stay untouched. Raises PackageError."""
    if not root.is_dir():
        raise PackageError(f"{root}: no such directory; give the directory that holds {parse.FILE}")
    card_file = root / parse.FILE
    if not card_file.is_file():
        raise PackageError(f"{root}: holds no {parse.FILE}; found {sorted(p.name for p in root.iterdir())[:10]}")
    card = parse.card(card_file.read_bytes())
    sealed = root / manifest.FILE
    return Package(root, card, manifest.digest(sealed.read_bytes()) if sealed.is_file() else "")


def seal(root: Path) -> str:
    """Write the manifest of all files below `root` and return the package digest; the card must be valid."""
    read(root)
    document = manifest.encode({path: _entry(root / path) for path in _paths(root)})
    manifest.parse(document)
    (root / manifest.FILE).write_bytes(document)
    return manifest.digest(document)


def verify(root: Path) -> str:
    """Check every file against the manifest and return the digest. Raises PackageError that lists what differs."""
    sealed = root / manifest.FILE
    if not sealed.is_file():
        raise PackageError(f"{root}: holds no {manifest.FILE}; `modelyard-server pack {root}` writes one")
    document = sealed.read_bytes()
    expected = manifest.parse(document)
    present = set(_paths(root))
    problems = [f"{path} is missing" for path in sorted(expected.files.keys() - present)]
    problems += [f"{path} is not in the manifest" for path in sorted(present - expected.files.keys())]
    for path in sorted(expected.files.keys() & present):
        if _entry(root / path) != expected.files[path]:
            problems.append(f"{path} has other contents")
    if problems:
        raise PackageError(f"{root}: {len(problems)} differences from {manifest.FILE}: " + "; ".join(problems[:5]))
    return manifest.digest(document)


def sha256(path: Path) -> str:
    """Hash a file with bounded memory."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _entry(path: Path) -> manifest.FileEntry:
    return manifest.FileEntry(sha256(path), path.stat().st_size)


def _paths(root: Path) -> list[str]:
    """Relative POSIX paths of all files but the manifest; links are refused, since they may lead out of the package."""
    found: list[str] = []
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            if Path(folder, name).is_symlink():
                raise PackageError(f"{Path(folder, name)}: links are not allowed in a package")
        found += [Path(folder, name).relative_to(root).as_posix() for name in names]
    for path in found:
        if problem := safety.path_problem(path):
            raise PackageError(f"{root}: path {path!r} {problem}")
    return sorted(path for path in found if path != manifest.FILE)
