"""What lies on disk: `--model` is one package; `--repository` holds `NAME/VERSION/package` or `NAME/package`."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from modelyard_server.errors import PackageError
from modelyard_server.package import files, parse
from modelyard_server.settings import Settings, VersionPolicy

_NUMBER = re.compile(r"([0-9]+)")


class Candidate(msgspec.Struct, frozen=True):
    """One version of one model on disk.

    `version` is the folder's name; where there is no such folder, the card's own, or empty while the card is wrong.
    """

    name: str
    version: str
    root: Path


def scan(settings: Settings) -> Mapping[str, tuple[Candidate, ...]]:
    """Every model by name, its versions from lowest to highest. Raises PackageError and OSError."""
    if settings.repository is None:
        card = files.read(settings.model).card
        name = settings.name or card.name
        return {name: (Candidate(name, card.version, settings.model),)}
    found = {}
    for folder in _folders(settings.repository):
        candidates = sorted(_candidates(folder), key=lambda candidate: order(candidate.version))
        if candidates:
            found[folder.name] = tuple(candidates)
    return found


def _folders(root: Path) -> list[Path]:
    """Folders but hidden ones: a mounted ConfigMap holds `..data`, a disk `.Trash`."""
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _candidates(folder: Path) -> Iterator[Candidate]:
    if (folder / parse.FILE).is_file():
        yield Candidate(folder.name, _own_version(folder), folder)
        return
    for version in _folders(folder):
        if (version / parse.FILE).is_file():
            yield Candidate(folder.name, version.name, version)


def _own_version(folder: Path) -> str:
    try:
        return files.read(folder).card.version
    except PackageError:
        return ""  # its load will tell what is wrong


def order(version: str) -> tuple[tuple[bool, int, str], ...]:
    """Sort key of versions: numbers by value, wherever they stand, so `10` is above `9` and `v1.10` above `v1.9`."""
    parts = (part for part in _NUMBER.split(version) if part)
    return tuple((part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)


def wanted(candidates: Iterable[Candidate], policy: VersionPolicy) -> tuple[Candidate, ...]:
    """Which of a model's versions are loaded."""
    ranked = sorted(candidates, key=lambda candidate: order(candidate.version))
    return tuple(ranked if policy == "all" else ranked[-1:])
