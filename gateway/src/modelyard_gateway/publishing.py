"""Writes what Envoy reads: a file of all clusters, and one of addresses for each cluster.

Envoy notices a file that is renamed into its place. Addresses are there before the cluster that
names them, and stay until it is gone, so that Envoy never waits for a file.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from modelyard_operator.cache import Key

from .access.target import Protocol
from .directory import Address, Directory, cluster_name
from .envoy import bootstrap, tls
from .envoy.clusters import cluster, endpoints
from .settings import Settings

PROTOCOLS: tuple[Protocol, ...] = ("http", "grpc")


class Publisher:
    """Keeps Envoy's files as the directory says. A cluster that lost its last address stays, empty, with its model."""

    def __init__(self, directory: Directory, folder: Path) -> None:
        self._directory = directory
        self._folder = folder
        self._written: dict[str, tuple[Address, ...]] = {}
        self._clusters: set[tuple[str, str, Protocol]] = set()
        self._clusters_written: set[tuple[str, str, Protocol]] | None = None

    def publish(self, keys: Iterable[Key]) -> None:
        """Write what changed of these models. OSError when the folder cannot be written."""
        gone: list[str] = []
        for namespace, name in keys:
            place = self._directory.find(namespace, name)
            for protocol in PROTOCOLS:
                one = (namespace, name, protocol)
                full = cluster_name(*one)
                if place is None:
                    self._clusters.discard(one)
                    if self._written.pop(full, None) is not None:
                        gone.append(full)
                elif (found := place.addresses.get(protocol, ())) or one in self._clusters:
                    self._addresses(full, found)
                    self._clusters.add(one)
        first = self._clusters_written is None
        self._all_clusters()
        for full in gone:
            self._file(full).unlink(missing_ok=True)
        if first:
            self._remove_strays()

    def _addresses(self, full: str, found: tuple[Address, ...]) -> None:
        if self._written.get(full) != found:
            _write(self._file(full), [endpoints(full, found)])
            self._written[full] = found

    def _all_clusters(self) -> None:
        if self._clusters == self._clusters_written:
            return
        listed = [cluster(*one, str(self._file(cluster_name(*one)))) for one in sorted(self._clusters)]
        _write(bootstrap.clusters_file(self._folder), listed)
        self._clusters_written = set(self._clusters)

    def _remove_strays(self) -> None:
        """What the process before this one left, of models that are gone since."""
        for path in (self._folder / "addresses").glob("*.json"):
            if path.stem not in self._written:
                path.unlink()

    def _file(self, full: str) -> Path:
        return self._folder / "addresses" / f"{full}.json"


def prepare(settings: Settings) -> None:
    """What Envoy needs to start. Models that a process before this one knew stay: Envoy carries requests to them."""
    (settings.folder / "addresses").mkdir(parents=True, exist_ok=True)
    if not bootstrap.clusters_file(settings.folder).exists():
        _write(bootstrap.clusters_file(settings.folder), [])
    if settings.tls:
        _write(tls.certificate_file(settings.folder), [tls.certificate(Path(settings.tls))])


def _write(path: Path, resources: list[dict[str, object]]) -> None:
    """Replace a file at once: a reader sees the old one or the new one."""
    draft = path.with_suffix(".new")
    draft.write_bytes(msgspec.json.encode({"resources": resources}))
    os.rename(draft, path)  # noqa: PTH104 - Envoy waits for this very call
