"""One run: a cluster with its API server, users, and operator processes on machines that can be killed or frozen."""

import random
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from modelyard_operator.kube.credentials import Credentials
from modelyard_operator.process import Process
from modelyard_operator.settings import Settings
from modelyard_operator.surroundings import Surroundings

from .api.answers import Answer
from .api.front import Front
from .api.kinds import DEPLOYMENTS, LEASES, MODELS, PODS, Kind
from .api.requests import Request, Target
from .api.storage import Event, Key, Storage
from .api.verbs import APPLY, MERGE, Verbs
from .containers import Container, Log, Write, close
from .injection import Injection
from .network import Wires
from .virtual import Universe
from .world import World

Body = dict[str, Any]
SYSTEM = "modelyard-system"
SETTINGS = Settings(
    fetch_image="registry.example/modelyard/model-server:1",
    lease_namespace=SYSTEM,
    workers=4,
    upstream_secret="modelyard-upstream",
)
# The first second of all runs.
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
# Nothing but leases and pods that crash again was written for so long: the cluster is at rest.
QUIET_SECONDS = 12.0
# Making one takes longer than most of a run, and nothing here speaks TLS.
_CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Run:
    """A cluster of one seed."""

    def __init__(self, seed: str, *, lease: float = 60.0, token_file: Path | None = None) -> None:
        self.log = Log()
        self.chance = random.Random(f"run {seed}")
        self.universe = Universe()
        self.skew = timedelta()
        self.loop = self.universe.machine("api-server")
        self.storage = Storage()
        self._uids = 0
        self.verbs = Verbs(self.storage, self._new_uid, lambda: self.wall().strftime("%Y-%m-%dT%H:%M:%SZ"))
        self.wires = Wires(self.loop)
        self.injection = Injection(self.storage, self.wires, self.loop, f"faults {seed}")
        self.front = Front(self.verbs, self.injection, _client)
        world = random.Random(f"world {seed}")
        self.world = World(self.verbs, self.loop.call_later, self.wall, world)
        self.writes: list[Write] = []
        self.refused: list[tuple[float, str]] = []
        # All that operators asked to have written, also what was so already.
        self.sent: list[tuple[Request, Target]] = []
        self.lost_processes: list[str] = []
        self._lease, self._token_file = lease, token_file
        self.containers: dict[str, Container] = {}
        self._news = self.universe.now
        self.on_write: Callable[[Write], None] = lambda _write: None
        # Called when the server is about to carry out an operator's write.
        self.on_ask: Callable[[Target], None] = lambda _target: None
        self.verbs.wrote, self.verbs.asked = self._wrote, self._asked
        self.injection.refused = lambda request: self.refused.append((self.universe.now, request.client))
        self.verbs.shown = self.injection.shown
        self.storage.listeners.append(self._changed)
        self.universe.spawn(self.loop, self._serve())
        self.universe.run(0)

    async def _serve(self) -> None:
        self.wires.accept = self.front.server()

    def _new_uid(self) -> str:
        self._uids += 1
        return f"00000000-0000-0000-0000-{self._uids:012d}"

    def rotate(self) -> None:
        """Give the operators another token; the old one is not accepted any more."""
        assert self._token_file is not None
        self.injection.token = f"token-{self.chance.randrange(10**9)}"
        self._token_file.write_text(self.injection.token)

    def jump(self) -> None:
        """Set the clock on the wall, forward or back."""
        self.skew += timedelta(seconds=self.chance.choice((-3600, -20, 20, 3600)))

    def wall(self) -> datetime:
        """What the operators' clocks on the wall show."""
        return BEGINNING + timedelta(seconds=self.universe.now) + self.skew

    # Operators.

    def start(self, name: str = "operator-a") -> None:
        """Start an operator process."""
        loop = self.universe.machine(name)
        self.wires.plug(loop)
        container = self.containers[name] = Container(name, loop)
        chance = random.Random(f"{name} {self.chance.random()}").random

        def connector(_context: ssl.SSLContext, limit: int) -> aiohttp.BaseConnector:
            made = aiohttp.UnixConnector(path="api", limit=limit, keepalive_timeout=None)
            container.connectors.append(made)
            return made

        surroundings = Surroundings(
            clock=loop.time,
            wall=self.wall,
            chance=chance,
            connector=connector,
            secret=random.Random(f"keys {chance()}").randbytes,
        )
        credentials = Credentials(
            server="http://api", context=_CONTEXT, token_file=self._token_file, token="none", clock=loop.time
        )
        settings = msgspec.structs.replace(SETTINGS, pod_name=name, lease_duration=self._lease)

        async def main() -> None:
            await credentials.refresh()
            container.process = Process(settings, credentials, surroundings)
            try:
                container.ended = await container.process.run()
            except Exception as error:  # noqa: BLE001 - whatever ends a process is what a test is about
                container.ended = error
            self._lost(container)

        self.universe.spawn(loop, main())

    def _lost(self, container: Container) -> None:
        """A process ended; unless it was told to, that is a finding, and the kubelet starts it again."""
        if self.containers.get(container.name) is not container:
            return
        why = container.ended
        self.lost_processes.append(
            f"{self.universe.now:.0f} s: {container.name} ended with {why!r}: {self.log.lines[-1:]}"
        )
        self.loop.call_later(0, self._restart, container.name)

    def _restart(self, name: str) -> None:
        self.kill(name)
        self.loop.call_later(10.0, self.start, name)

    def kill(self, name: str) -> None:
        """SIGKILL."""
        container = self.containers.pop(name)
        self.universe.kill(container.loop)
        self.wires.vanish(name)
        container.loop.mourners.append(lambda: close(container))

    def stop(self, name: str) -> None:
        """SIGTERM, and wait for the end."""
        container = self.containers[name]
        assert container.process is not None
        container.loop.call_soon(container.process.stop)
        told = self.containers.pop(name)
        self.universe.run(60, lambda: told.ended is not None)
        self.containers[name] = told
        self.kill(name)

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        self.containers[name].loop.frozen = True

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self.containers[name].loop.frozen = False

    # Time.

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.universe.run(seconds)

    def settle(self, limit: float) -> bool:
        """Let time pass until nothing has happened for a while."""
        self._news = self.universe.now
        until = self._news + limit
        while (rest := min(until, self._news + QUIET_SECONDS) - self.universe.now) > 1e-6:
            self.universe.run(rest)
        return self.universe.now < until - 1e-6

    # Users.

    def send(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json", client: str = "user"
    ) -> Answer:
        """A request of somebody who is not an operator."""
        raw = b"" if body is None else msgspec.json.encode(body)
        query = {"fieldManager": client, "force": "true"} if content_type == APPLY else {"fieldManager": client}
        return self.verbs.handle(Request(method, path, query, raw, content_type, client))

    def put(self, kind: Kind, namespace: str, name: str, document: Body) -> Answer:
        """Create or replace an object, as a user does who applies a file."""
        path = object_path(kind, namespace, name)
        live = self.storage.get(kind, (namespace, name))
        metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **document.get("metadata", {})}
        if live is None:
            return self.send("POST", path.rsplit("/", 1)[0], {**document, "metadata": metadata})
        kept = {**live.body["metadata"], **metadata}
        return self.send("PUT", path, {**document, "metadata": kept})

    def patch(self, kind: Kind, key: Key, patch: Body) -> Answer:
        """Merge something into an object, as `kubectl edit` does."""
        return self.send("PATCH", object_path(kind, *key), patch, MERGE, "kubectl-edit")

    def delete(self, kind: Kind, key: Key) -> Answer:
        """Delete an object."""
        return self.send("DELETE", object_path(kind, *key))

    def model(self, key: Key) -> Body | None:
        """A ModelDeployment."""
        record = self.storage.get(MODELS, key)
        return record.body if record else None

    # Records.

    def _wrote(self, request: Request, target: Target, version: int) -> None:
        if request.client.startswith("operator") and target.kind is not LEASES:
            key = (target.namespace, target.name)
            write = Write(
                self.universe.now, request.client, request.method, target.kind, key, version, target.subresource
            )
            self.writes.append(write)
            self.on_write(write)

    def _asked(self, request: Request, target: Target) -> None:
        if request.client.startswith("operator") and target.kind is not LEASES:
            self.sent.append((request, target))
            self.on_ask(target)

    def _changed(self, event: Event) -> None:
        if event.kind is not LEASES and not (event.kind in (PODS, DEPLOYMENTS) and _is_noise(event)):
            self._news = self.universe.now

    def close(self) -> None:
        """End everything."""
        self.injection.calm()
        for name in list(self.containers):
            self.kill(name)
        self.universe.close()


def _client(incoming: web.BaseRequest) -> str:
    return str(incoming.transport.get_extra_info("client")) if incoming.transport else ""


def object_path(kind: Kind, namespace: str, name: str) -> str:
    """Where an object is."""
    space = f"/namespaces/{namespace}" if kind.namespaced else ""
    return f"{kind.root}{space}/{kind.plural}/{name}"


def _is_noise(event: Event) -> bool:
    """Whether a pod only crashed again."""
    if event.before is None or event.after is None:
        return False
    statuses = event.after.body.get("status", {}).get("containerStatuses", [])
    return event.kind is PODS and any(one["restartCount"] > 1 for one in statuses)
