"""A real server in a thread, and a plain client. The engine is an echo; everything else is what production runs."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from modelyard_server import serving
from modelyard_server.engines import registry
from modelyard_server.errors import StartupError
from modelyard_server.package import files, parse
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.service import ModelService
from modelyard_server.settings import Settings

ECHO = {"echo": "unit.server.echo_engine"}


def echo_card(datatype: str = "FP32", row: tuple[int, ...] = (2,), description: str = "") -> ModelCard:
    """One input `x` and one output `y` of the same kind."""
    spec = {"datatype": datatype, "shape": (-1, *row)}
    return ModelCard(
        name="echo",
        version="3",
        format="echo",
        description=description,
        inputs=(msgspec.convert({"name": "x", **spec}, TensorSpec),),
        outputs=(msgspec.convert({"name": "y", **spec}, TensorSpec),),
    )


def write_package(root: Path, card: ModelCard) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / parse.FILE).write_bytes(parse.encode(card))
    files.seal(root)
    return root


class Reply(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class LiveServer:
    """Runs `ModelService` behind uvicorn on a free loopback port."""

    def __init__(self, settings: Settings, *, wait_loaded: bool = True) -> None:
        self._started: Future[tuple[ModelService, uvicorn.Server]] = Future()
        self._loaded: Future[None] = Future()
        self._socket = serving.bind("127.0.0.1", 0)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(settings)), daemon=True)
        self._thread.start()
        self.service, self._server = self._started.result(10)
        if wait_loaded:
            self.wait_loaded()

    async def _run(self, settings: Settings) -> None:
        self.loop = asyncio.get_running_loop()
        service = ModelService(settings)
        server = serving.create_server(service)
        http_task = asyncio.create_task(server.serve(sockets=[self._socket]))
        rpc = serving.create_rpc(service)
        if rpc is not None:
            await rpc.start()
        self._started.set_result((service, server))
        try:
            await service.load()
            self._loaded.set_result(None)
        except StartupError as error:
            self._loaded.set_exception(error)
        await http_task
        if rpc is not None:
            await rpc.stop(0)
        service.close()

    def wait_loaded(self) -> None:
        self._loaded.result(20)

    def on_loop(self, call: Callable[[], Any]) -> None:
        """Run something on the server's event loop."""
        self.loop.call_soon_threadsafe(call)

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        try:
            connection.request(method, path, content, headers or {})
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def infer(
        self, data: Any, shape: list[int], datatype: str = "FP32", *, model: str = "echo", **fields: Any
    ) -> Reply:
        """`model` is a name, or `name/versions/version`."""
        tensor = {"name": "x", "shape": shape, "datatype": datatype, "data": data}
        return self.request("POST", f"/v2/models/{model}/infer", {"inputs": [tensor], **fields})

    def index(self, *, ready: bool = False) -> dict[str, str]:
        """State by `name/version`, with the reason behind a colon where there is one."""
        entries = self.request("POST", "/v2/repository/index", {"ready": ready}).json
        texts = {f"{e['name']}/{e['version']}": f"{e['state']}: {e['reason']}" for e in entries}
        return {key: text.removesuffix(": ") for key, text in texts.items()}

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()


def start_repository(root: Path, models: Mapping[str, ModelCard], **settings: Any) -> LiveServer:
    """Serve packages by their path below a repository: `name/version` or `name`."""
    registry.ENGINES.update(ECHO)  # type: ignore[attr-defined]
    root.mkdir(parents=True, exist_ok=True)
    for path, card in models.items():
        write_package(root / path, card)
    wait = settings.pop("wait_loaded", True)
    return LiveServer(Settings(model=Path("/nowhere"), repository=root, **settings), wait_loaded=wait)


def start(root: Path, card: ModelCard | None = None, *, wait_loaded: bool = True, **settings: Any) -> LiveServer:
    registry.ENGINES.update(ECHO)  # type: ignore[attr-defined]
    package = write_package(root / "package", card or echo_card())
    return LiveServer(Settings(model=package, **settings), wait_loaded=wait_loaded)
