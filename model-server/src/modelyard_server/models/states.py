"""What each version is up to, what follows for requests, and the error for one that finds nothing. Pure."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from modelyard_server.errors import NotFoundError, NotReadyError
from modelyard_server.models import layout
from modelyard_server.models.served import Served

Key = tuple[str, str]
"""Name and version; an empty version means the highest that serves."""
Routes = Mapping[Key, Served]


class ModelState(StrEnum):
    """State of a version, in the words of the repository extension."""

    UNAVAILABLE = "UNAVAILABLE"
    LOADING = "LOADING"
    READY = "READY"
    UNLOADING = "UNLOADING"


class Entry(msgspec.Struct):
    """One version that was asked for. `reason` says why it is not ready, or why its last load changed nothing."""

    name: str
    version: str
    state: ModelState = ModelState.LOADING
    reason: str = ""
    served: Served | None = None

    @property
    def parameter_bytes(self) -> int:
        """Memory of its weights; 0 while it is not loaded."""
        return self.served.model.parameter_bytes if self.served is not None else 0


def routes(entries: Iterable[Entry]) -> dict[Key, Served]:
    """What serves by name and version, and the highest of each name without a version."""
    found: dict[Key, Served] = {}
    for entry in sorted(entries, key=lambda entry: layout.order(entry.version)):
        if entry.state is ModelState.READY and entry.served is not None:
            found[entry.name, entry.version] = found[entry.name, ""] = entry.served
    return found


def absence(entries: Iterable[Entry], on_disk: Iterable[str], name: str, version: str) -> NotFoundError | NotReadyError:
    """Why nothing serves under a name and version. `on_disk` are the repository's names, none before it is read."""
    known = [entry for entry in entries if entry.name == name]
    matching = [entry for entry in known if version in ("", entry.version)]
    if matching:
        return _not_ready(name, matching)
    if known:
        return NotFoundError(
            f"model {name!r} has no version {version!r}; this server has {listed(entry.version for entry in known)}"
        )
    names = set(on_disk)
    if not names:
        return NotReadyError("the server is still loading")
    if name in names:
        return NotReadyError(f"model {name!r} is {ModelState.UNAVAILABLE}: not loaded")
    return NotFoundError(f"model {name!r} is not served here; this server has {listed(names)}")


def _not_ready(name: str, entries: list[Entry]) -> NotReadyError:
    if any(entry.state is ModelState.LOADING for entry in entries):
        return NotReadyError(f"model {name!r} is still loading")
    return NotReadyError(f"model {name!r} is {entries[-1].state}: {entries[-1].reason}")


def listed(names: Iterable[str]) -> str:
    """Names or versions for a message."""
    return ", ".join(repr(name) for name in sorted(names, key=layout.order)) or "none"
