"""The watch of ModelDeployments: kopf tells what happens to them, a list tells what kopf has missed."""

import asyncio
import logging
from collections.abc import Callable, Sequence

import kopf

from . import handlers
from .cache import Key, key_of
from .caches import Caches
from .kube import resources
from .kube.client import Client
from .kube.errors import ApiError

logger = logging.getLogger(__name__)

# How often the cache of models is compared with a list: kopf does not notice deletions that a broken watch missed.
SWEEP_SECONDS = 600.0
# So many models a second are looked at after a sweep: all at once they would keep a new one waiting for seconds.
SWEPT_PER_SECOND = 50
# After kopf has listed anew, so that what went between two lists is missed for so long and not until the next sweep.
DOUBT_SECONDS = 3.0
LIST_PAUSE_SECONDS = 2.0
KOPF_PAUSE_SECONDS = 2.0


class ModelWatch:
    """Keeps the cache of models equal to what the API server has, in some namespaces or, when none is named, in all."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is a room that it works with
        self,
        client: Client,
        caches: Caches,
        ask: Callable[[Key, float], None],
        registry: Callable[[Callable[[], None]], kopf.OperatorRegistry],
        identity: str,
        namespaces: Sequence[str],
        chance: Callable[[], float],
    ) -> None:
        self._client = client
        self._caches = caches
        self._ask = ask
        self._registry = registry(self.doubt)
        self._identity = identity
        self._namespaces = namespaces
        self._chance = chance
        self._doubted = asyncio.Event()
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Watch by kopf, after a list of our own that tells when all models are known. Return when kopf is told to end.

        kopf gives up at the first answer that it does not understand: an ERROR event other than 410, half an answer,
        a proxy's page. It begins again then; ending the process would cost the lease and every cache.
        """
        while True:
            await self._list(every=0)
            self.synced.set()
            self.doubt()
            try:
                await self._run_kopf()
            except Exception:
                logger.warning("the watch of ModelDeployments ended; beginning again", exc_info=True)
                await asyncio.sleep(KOPF_PAUSE_SECONDS)
            else:
                return

    def doubt(self) -> None:
        """kopf lists, or has listed: what was deleted since the list before is told by no event."""
        self._doubted.set()

    async def sweep(self) -> None:
        """Compare the models at hand with a list, now and then and when in doubt, until cancelled."""
        due = self._next_sweep()
        while True:
            try:
                async with asyncio.timeout_at(due):
                    await self._doubted.wait()
            except TimeoutError:
                due = self._next_sweep()
                await self._list(every=1 / SWEPT_PER_SECOND)
            else:
                await asyncio.sleep(DOUBT_SECONDS)
                self._doubted.clear()
                await self._list(every=None)

    def _next_sweep(self) -> float:
        return asyncio.get_running_loop().time() + SWEEP_SECONDS * (0.8 + 0.4 * self._chance())

    async def _run_kopf(self) -> None:
        await kopf.operator(
            registry=self._registry,
            settings=handlers.operator_settings(),
            # kopf would ask the machine who runs it; the user of a container has no name.
            identity=self._identity,  # type: ignore[arg-type]
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            standalone=True,
        )

    async def _list(self, *, every: float | None) -> None:
        """Take a list, and have models looked at: what changed now, the others so many seconds after each other."""
        for namespace in self._namespaces or [""]:
            while True:
                try:
                    await self._list_namespace(namespace, every)
                    break
                except ApiError as error:
                    logger.warning("cannot list ModelDeployments: %s; trying again", error)
                    await asyncio.sleep(LIST_PAUSE_SECONDS)

    async def _list_namespace(self, namespace: str, every: float | None) -> None:
        seen: dict[Key, None] = {}  # in order, so that the same list gives the same queue
        changed: list[Key] = []
        listed = ""
        async for page, version in self._client.pages(resources.MODEL_DEPLOYMENTS, namespace):
            listed = version
            for model in page:
                key = key_of(model.metadata)
                seen[key] = None
                if self._caches.put_model(model):
                    changed.append(key)
        for key in changed + self._caches.end_model_list(namespace, seen.keys(), listed):
            self._ask(key, 0)
        for number, key in enumerate(seen if every is not None else ()):
            self._ask(key, number * (every or 0))
