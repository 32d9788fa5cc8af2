"""Writes what Envoy reads: a file of all clusters with their addresses, renamed into its place when one changes."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from modelyard_operator.cache import Key

from .access.target import Protocol
from .directory import Address, Directory, cluster_name
from .envoy import bootstrap, tls
from .envoy.clusters import cluster
from .settings import Settings

PROTOCOLS: tuple[Protocol, ...] = ("http", "grpc")


class Publisher:
    """Keeps Envoy's files as the directory says. A cluster that lost its last address stays, empty, with its model."""

    def __init__(self, directory: Directory, folder: Path) -> None:
        self._directory = directory
        self._folder = folder
        # Each cluster as JSON, by its name: what did not change is not encoded again.
        self._clusters: dict[str, tuple[tuple[Address, ...], msgspec.Raw]] = {}
        self._is_written = False

    def __len__(self) -> int:
        return len(self._clusters)

    def publish(self, keys: Iterable[Key]) -> None:
        """Write what changed of these models. OSError when the folder cannot be written."""
        changed = False
        for namespace, name in keys:
            place = self._directory.find(namespace, name)
            for protocol in PROTOCOLS:
                full = cluster_name(namespace, name, protocol)
                known = self._clusters.get(full)
                if place is None:
                    changed |= self._clusters.pop(full, None) is not None
                elif ((found := place.addresses.get(protocol, ())) or known) and (known is None or known[0] != found):
                    made = msgspec.json.encode(cluster(namespace, name, protocol, found))
                    self._clusters[full] = found, msgspec.Raw(made)
                    changed = True
        if changed or not self._is_written:
            _write(bootstrap.clusters_file(self._folder), [one for _, one in self._clusters.values()])
            self._is_written = True


def prepare(settings: Settings) -> None:
    """What Envoy needs to start. Models that a process before this one knew stay: Envoy carries requests to them."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    if not bootstrap.clusters_file(settings.folder).exists():
        _write(bootstrap.clusters_file(settings.folder), [])
    if settings.tls:
        _write(tls.certificate_file(settings.folder), [tls.certificate(Path(settings.tls))])


def _write(path: Path, resources: Sequence[object]) -> None:
    """Replace a file at once: a reader sees the old one or the new one."""
    draft = path.with_suffix(".new")
    draft.write_bytes(msgspec.json.encode({"resources": resources}))
    os.rename(draft, path)  # noqa: PTH104 - Envoy waits for this very call
