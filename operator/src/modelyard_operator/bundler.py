"""Writes the bundle of the installation, and says what it leaves alone."""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from .bundle import Name, plan
from .caches import Caches
from .kube.client import Client
from .kube.errors import ApiError, FencedError
from .kube.resources import ACCELERATOR_PROFILES, MODEL_RUNTIMES
from .render import Manifest

logger = logging.getLogger(__name__)

# A look costs no request; so soon does an object come back that somebody deleted.
LOOK_SECONDS = 5.0
MAX_RETRY_SECONDS = 60.0
_RESOURCES = {one.kind: one for one in (MODEL_RUNTIMES, ACCELERATOR_PROFILES)}


class Bundler:
    """Keeps the objects of the bundle in the cluster, each written only when it is missing or its bundle changed.

    An edit by hand stays until then, as it would with Helm.
    """

    def __init__(self, client: Client, caches: Caches, bundle: Sequence[Manifest], installation: str) -> None:
        self._client = client
        self._caches = caches
        self._bundle = bundle
        self._installation = installation
        self._said: set[str] = set()

    async def run(self) -> None:
        """Keep the bundle until cancelled; to be started once its kinds are listed and this process leads."""
        failures = 0
        while True:
            failures = 0 if await self._keep() else failures + 1
            await asyncio.sleep(min(2.0**failures, MAX_RETRY_SECONDS) if failures else LOOK_SECONDS)

    async def _keep(self) -> bool:
        """Whether everything that had to be written is."""
        live = {(kind, one.metadata.name): one.metadata for kind, at in _RESOURCES.items() for one in self._caches[at]}
        found = plan(self._bundle, live, self._installation)
        written = [await self._write(manifest, known=_name(manifest) in live) for manifest in found.write]
        for kind, name in found.foreign:
            self._say(f"{kind} {name} was not made by this installation and stays as it is; delete it to get ours")
        for kind, name in found.dropped:
            remedy = f"to remove it: kubectl delete {kind.lower()} {name}"
            self._say(f"{kind} {name} is no longer part of this installation, but models may use it; {remedy}")
        return all(written)

    async def _write(self, manifest: Manifest, *, known: bool) -> bool:
        # All kinds are listed by now, so what is not known is created, and cannot be taken from somebody by mistake.
        write = partial(self._client.apply, reason="spec") if known else self._client.create
        kind, name = _name(manifest)
        try:
            await write(_RESOURCES[kind], manifest)
        except (ApiError, FencedError) as error:
            self._say(f"cannot write {kind} {name} of this installation: {error}")
            return False
        logger.info("wrote %s %s", kind, name)
        return True

    def _say(self, text: str) -> None:
        """Once: a look every few seconds must not repeat itself."""
        if text not in self._said:
            self._said.add(text)
            logger.warning(text)


def _name(manifest: Manifest) -> Name:
    return manifest["kind"], manifest["metadata"]["name"]
