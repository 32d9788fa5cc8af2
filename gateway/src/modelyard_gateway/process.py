"""The process: wires the rooms. What belongs to the machine, such as signals, is the caller's."""

import asyncio
import contextlib
import logging

import uvicorn

from modelyard_operator.cache import Key
from modelyard_operator.kube.client import Client
from modelyard_operator.kube.credentials import Credentials
from modelyard_operator.kube.informer import Informer
from modelyard_operator.kube.resources import INFERENCE_KEYS
from modelyard_operator.kube.throttle import Throttle
from modelyard_operator.kube.transport import Transport
from modelyard_operator.surroundings import Surroundings

from . import directory, metrics, publishing
from .access.authorizer import Authorizer, Rules
from .access.reviews import Reviews
from .accounts import Accounts
from .directory import Directory
from .door import Door
from .envoy.bootstrap import socket
from .settings import Settings
from .upstream import UpstreamKey

logger = logging.getLogger(__name__)

# Changes that come within so many seconds are one set of files.
GATHER_SECONDS = 0.02
# And the more there is to read for Envoy, the longer.
GATHER_SECONDS_EACH = 5e-5
# The key for models is looked for so often until it is there.
KEY_SECONDS = 0.5


class Process:
    """One gateway beside one Envoy."""

    def __init__(self, settings: Settings, credentials: Credentials, surroundings: Surroundings) -> None:
        self._settings = settings
        self._clock = surroundings.clock
        self._transport = Transport(credentials, surroundings)
        self._changed: dict[Key, float] = {}
        self._wake = asyncio.Event()
        self._directory = Directory(self._note)
        self._accounts = Accounts(settings, self._transport, surroundings)
        # Reads only, and few lists: nothing to hold back.
        client = Client(self._transport, Throttle(1e6, 10**6, self._clock), lambda: 0.0)
        self._informers = [
            Informer(client, resource, namespace, store, surroundings)
            for resource, store in (
                (directory.MODELS, self._directory.models),
                (directory.SLICES, self._directory.slices),
                (INFERENCE_KEYS, self._accounts.ring.keys),
            )
            for namespace in settings.namespaces or ("",)
        ]
        reviews = Reviews(
            self._transport,
            Throttle(settings.reviews_per_second, int(settings.reviews_per_second) + 1, self._clock),
            settings.audiences,
        )
        rules = Rules(settings.audiences, settings.domain, settings.longest_body, settings.allow_public)
        self._authorizer = Authorizer(reviews, self._directory, rules, self._accounts.gatekeeper, clock=self._clock)
        self._upstream = UpstreamKey(settings.upstream_keys, self._clock, lambda: surroundings.wall().timestamp())
        self._publisher = publishing.Publisher(self._directory, settings.folder)
        self._stop = asyncio.Event()
        self.published = asyncio.Event()

    async def run(self) -> None:
        """Serve until `stop`. Envoy goes on with what it knows, but asks in vain who may do what."""
        publishing.prepare(self._settings)
        server = _server(Door(self._authorizer, self._upstream), str(socket(self._settings.folder)))
        serving = asyncio.create_task(self._serve(server))
        tasks = (*(one.run() for one in self._informers), self._publish(), self._accounts.run(self.published))
        others = [asyncio.create_task(one) for one in tasks]
        stopping = asyncio.create_task(self._end_when_told())
        done, _ = await asyncio.wait([serving, stopping, *others], return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self.published.is_set():
            await self._accounts.end()
        await self._transport.close()
        for task in done:
            task.result()

    async def _serve(self, server: uvicorn.Server) -> None:
        """Nobody is let through before the key for models is known: what took its place would be the client's token."""
        while self._upstream.unready():
            if server.should_exit:
                return
            await asyncio.sleep(KEY_SECONDS)
        await server.serve()

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()

    async def _end_when_told(self) -> None:
        await self._stop.wait()

    def unready(self) -> list[str]:
        """Why this gateway cannot serve yet. Once it could it goes on, also while the API server is away."""
        models = [] if self.published.is_set() else ["the models are not known yet"]
        return models + self._upstream.unready()

    def _note(self, key: Key) -> None:
        self._changed.setdefault(key, self._clock())
        self._wake.set()

    async def _publish(self) -> None:
        for informer in self._informers:
            await informer.synced.wait()
        while True:
            await asyncio.sleep(GATHER_SECONDS + GATHER_SECONDS_EACH * len(self._publisher))
            self._wake.clear()
            changed, self._changed = self._changed, {}
            self._publisher.publish(changed)
            metrics.MODELS.set(len(self._directory.models))
            if changed:
                metrics.PUBLISHED.observe(self._clock() - min(changed.values()))
            self.published.set()
            await self._wake.wait()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: when to end is the process's to say."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Leave the signals alone."""
        yield


def _server(app: Door, path: str) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        uds=path,
        interface="asgi3",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=3600,
        backlog=4096,
    )
    return _Server(config)
