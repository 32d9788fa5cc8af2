"""The process: wires the rooms, keeps the workers busy, and ends without a loose end."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from prometheus_client.registry import Collector

from . import __version__, handlers, heap, metrics
from .bundler import Bundler
from .caches import NAMESPACE, Caches
from .keys.keeper import KeyKeeper
from .kube import resources
from .kube.client import Client
from .kube.credentials import Credentials
from .kube.discovery import Discovery
from .kube.errors import ApiError, FencedError
from .kube.informer import Informer
from .kube.resources import Resource
from .kube.throttle import Throttle
from .kube.transport import SILENCE_SECONDS, Transport
from .lease import Leadership
from .model_watch import ModelWatch
from .reconcile import Entrance, Reconciler
from .render import Manifest
from .report import Reporter
from .revision import Defaults
from .settings import Settings
from .surroundings import Surroundings
from .upstream import UpstreamKeys
from .workqueue import WorkQueue

logger = logging.getLogger(__name__)

# Keys wait and no worker finished one for so long.
STUCK_SECONDS = 120.0
# Children change in bursts; a status that is so much older costs far fewer writes.
SETTLE_SECONDS = 0.1


class Process:
    """One operator process, without what belongs to the machine: files, signals and the HTTP port are the caller's."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        surroundings: Surroundings,
        bundle: Sequence[Manifest] = (),
    ) -> None:
        self._settings = settings
        self._surroundings = surroundings
        self._clock = surroundings.clock
        self._queue = WorkQueue(self._clock, surroundings.chance)
        self._caches = Caches(self._queue.add, lambda key: self._queue.add_after(key, SETTLE_SECONDS))
        throttle = Throttle(settings.api_qps, settings.api_burst, self._clock)
        self._transport = Transport(credentials, surroundings)
        self._identity = settings.pod_name or f"{socket.gethostname()}-{int(surroundings.chance() * 10**6):06d}"
        self._lease = Leadership(
            self._transport,
            settings.lease_namespace,
            settings.lease_name,
            self._identity,
            settings.lease_duration,
            surroundings,
        )
        self._client = Client(self._transport, throttle, self._lease.remaining)
        self._discovery = Discovery(self._transport)
        again = self._queue.add_after
        self._reporter = Reporter(self._client, self._caches, again, self._identity, surroundings)
        self._upstream = self._upstream_keys()
        self._reconciler = Reconciler(
            self._client,
            self._caches,
            _defaults(settings),
            Entrance(settings.clients, settings.gateway_url),
            again,
            self._reporter,
            self._discovery.doubt,
            self._clock,
            self._upstream,
        )
        self._informers = self._made(resources.WATCHED)
        self._device_informers = self._made(resources.DEVICE_KINDS)
        self._models = ModelWatch(
            self._client,
            self._caches,
            again,
            partial(handlers.registry, self._caches, credentials, self._queue.add, surroundings),
            self._identity,
            settings.namespaces,
            surroundings.chance,
        )
        self._bundler = Bundler(self._client, self._caches, bundle, settings.installation())
        self._keys = KeyKeeper(self._client, settings.namespaces, surroundings) if settings.inference_keys else None
        self._stop = asyncio.Event()

    def _made(self, kinds: Iterable[Resource]) -> list[Informer]:
        """Informers of these kinds, one for each namespace that is watched."""
        namespaces = self._settings.namespaces or [""]
        return [
            Informer(self._client, kind, namespace, self._caches[kind], self._surroundings)
            for kind in kinds
            for namespace in (namespaces if kind.namespaced else [""])
        ]

    async def run(self) -> int:
        """Run until `stop` or a lost lease; the exit code."""
        loop = asyncio.get_running_loop()
        # Older than kopf, which cancels every younger task when it ends.
        background = [loop.create_task(informer.run()) for informer in self._informers]
        background += [loop.create_task(self._once_served(informer)) for informer in self._device_informers]
        background.append(loop.create_task(self._discover()))
        background.append(loop.create_task(self._models.sweep()))
        background.append(loop.create_task(heap.give_back_after_work(lambda: self._queue.asked)))
        lease = loop.create_task(self._lease.run())
        workers = [loop.create_task(self._work()) for _ in range(self._settings.workers)]
        workers.append(loop.create_task(self._bring()))
        if self._upstream is not None:
            workers.append(loop.create_task(self._keep_upstream(self._upstream)))
        if self._keys:
            background += [loop.create_task(informer.run()) for informer in self._keys.informers]
            workers.append(loop.create_task(self._keep_keys(self._keys)))
        watcher = loop.create_task(self._models.run())
        logger.info("modelyard-operator %s started, watching %s", __version__, self._settings.namespaces or "all")
        stopping = loop.create_task(self._stop.wait())
        essential = [lease, watcher, stopping, *background, *workers]
        done, _ = await asyncio.wait(essential, return_when=asyncio.FIRST_COMPLETED)
        # kopf takes the signals over while it runs, and then returns without an error.
        ended = stopping in done or (watcher in done and watcher.exception() is None)
        code = 0 if ended else _explain(done)
        await self._end(lease, workers, [watcher, stopping, *background])
        await self._transport.close()
        return code

    def stop(self) -> None:
        """End `run`, with time for what is under way."""
        self._stop.set()

    async def _end(
        self, lease: asyncio.Task[None], workers: list[asyncio.Task[None]], others: Iterable[asyncio.Task[object]]
    ) -> None:
        """Begin nothing new, let running reconciles finish, and only then give the lease back."""
        self._queue.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_timeout if self._lease.held() else 0):
                await self._queue.idle()
        await _cancel([*workers, lease])
        await self._lease.release()
        await _cancel(others)

    async def _discover(self) -> None:
        """Find out whether the API server serves dynamic resource allocation; then there is nothing left to ask."""
        await self._discovery.run()
        self._caches.serve_devices()
        await asyncio.Event().wait()

    async def _once_served(self, informer: Informer) -> None:
        """Watch a kind of dynamic resource allocation where there is such a thing."""
        await self._discovery.served.wait()
        await informer.run()

    def _watching(self) -> list[Informer]:
        """Informers that run: those of devices only where they are served."""
        return self._informers + (self._device_informers if self._discovery.served.is_set() else [])

    async def _leading(self) -> None:
        """Wait until everything is known and this process leads."""
        await self._discovery.asked.wait()
        for informer in self._watching():
            await informer.synced.wait()
        await self._models.synced.wait()
        await self._lease.acquired.wait()
        if self._upstream is not None:
            await self._upstream.asked.wait()

    def _upstream_keys(self) -> UpstreamKeys | None:
        settings = self._settings
        if not settings.upstream_secret:
            return None
        place = (settings.lease_namespace, settings.upstream_secret)
        every = settings.upstream_key_days * 86400
        return UpstreamKeys(self._client, place, every, self._hand_out, self._surroundings)

    def _hand_out(self) -> None:
        """Every namespace with models gets the keys as they are now."""
        for namespace in self._caches.namespaces():
            self._queue.add((namespace, NAMESPACE))

    async def _keep_upstream(self, keys: UpstreamKeys) -> None:
        """Keep the keys that models ask for, as the leader."""
        await self._lease.acquired.wait()
        await keys.run()

    async def _bring(self) -> None:
        """Write what the installation brings along."""
        await self._leading()
        await self._bundler.run()

    async def _keep_keys(self, keeper: KeyKeeper) -> None:
        await self._lease.acquired.wait()
        await keeper.run()

    async def _work(self) -> None:
        """Reconcile one key after another."""
        await self._leading()
        while True:
            key = await self._queue.take()
            started = self._clock()
            try:
                await self._reconciler.reconcile(key)
                self._queue.succeeded(key)
                metrics.RECONCILES.labels("ok").inc()
            except FencedError:
                self._queue.retry(key)
            except ApiError as error:
                metrics.RECONCILES.labels("retry").inc()
                delay = self._queue.retry(key, error.retry_after or 0)
                logger.warning("%s/%s: %s; again in %.1f s", *key, error, delay)
            except Exception:
                # A defect of ours must cost one model a retry, never the whole operator.
                metrics.RECONCILES.labels("error").inc()
                logger.exception("%s/%s: reconcile failed", *key)
                self._queue.retry(key, 5)
            finally:
                metrics.RECONCILE_SECONDS.observe(self._clock() - started)
                self._queue.done(key)

    def problems(self) -> list[str]:
        """Why this process should be restarted. Not because the API server is away: that would only add to its load."""
        answered = self._transport.last_answer
        problems = [
            f"watch of {one.name} is silent for {answered - one.last_event:.0f} s while other requests are answered"
            for one in self._watching()
            if answered - one.last_event > SILENCE_SECONDS * 2
        ]
        if self._lease.held() and self._queue.stuck() > STUCK_SECONDS:
            problems.append(f"models wait and none was finished for {self._queue.stuck():.0f} s")
        return problems

    def unready(self) -> list[str]:
        """Why this process cannot take over."""
        unready = [f"{one.name} not listed yet" for one in self._watching() if not one.synced.is_set()]
        if not self._discovery.asked.is_set():
            unready.append("not known yet whether resource.k8s.io/v1 is served")
        if not self._models.synced.is_set():
            unready.append("modeldeployments not listed yet")
        return unready

    def model_metrics(self) -> Collector:
        """Gauges of all models, to be registered by whoever exports metrics."""
        return self._reporter.gauges

    def collect(self) -> None:
        """Set the gauges that are read rather than counted."""
        metrics.QUEUE_DEPTH.set(len(self._queue))
        metrics.QUEUE_OLDEST.set(self._queue.oldest())
        metrics.LEADER.set(self._lease.held())


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


def _defaults(settings: Settings) -> Defaults:
    return Defaults(
        fetch_image=settings.fetch_image,
        image_pull_policy=settings.image_pull_policy,
        object_store_endpoint=settings.object_store_endpoint,
        object_store_region=settings.object_store_region,
        credentials=settings.default_credentials,
        upstream_key=bool(settings.upstream_secret),
    )


def _explain(done: Iterable[asyncio.Task[object]]) -> int:
    for task in done:
        error = None if task.cancelled() else task.exception()
        logger.error("ending: %s", error or f"{task.get_coro()!r} ended", exc_info=error)
    return 1
