"""A real process under load over gRPC gets SIGTERM: its clients move to another one and lose nothing."""

import asyncio
import contextlib
import signal
import threading
from collections import Counter
from pathlib import Path

import grpc

from modelyard_server.rpc import inference_pb2 as pb
from unit.server import live
from unit.server.rpc_client import SERVICE, infer_request
from unit.server.test_drain import Process


class Balancer:
    """A Service in small: new connections go to `backend`, those that there are stay where they are."""

    def __init__(self, backend: int) -> None:
        self.backend = backend
        self._connections: set[asyncio.Task[None]] = set()
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), daemon=True)
        self._thread.start()
        assert ready.wait(10)

    async def _run(self, ready: threading.Event) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = server.sockets[0].getsockname()[1]
        ready.set()
        await self._end.wait()
        server.close()
        await asyncio.wait(self._connections)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(asyncio.create_task(self._join(reader, writer)))

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        backend_reader, backend_writer = await asyncio.open_connection("127.0.0.1", self.backend)
        await asyncio.gather(_copy(reader, backend_writer), _copy(backend_reader, writer))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()
        writer.close()
        await writer.wait_closed()


class LoadedClient(threading.Thread):
    """Sends one call after the other, until `stop` and a little longer."""

    LATE = 20

    def __init__(self, port: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._target = f"127.0.0.1:{port}"
        self._stop_after = stop
        self.outcomes: Counter[str] = Counter()

    def run(self) -> None:
        late = 0
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self._target, options=options) as channel:
            infer = channel.unary_unary(
                SERVICE + "ModelInfer", pb.ModelInferRequest.SerializeToString, pb.ModelInferResponse.FromString
            )
            while late < self.LATE:
                late += self._stop_after.is_set()
                call = infer.future(infer_request(1, 2), timeout=20)
                self.outcomes["OK" if call.exception() is None else f"{call.code()}: {call.details()}"] += 1


def test_sigterm_under_load_loses_no_call_and_exits_0(tmp_path: Path) -> None:
    ports = [live.free_port(), live.free_port()]
    leaving, staying = (Process(tmp_path / str(port), grpc_port=port) for port in ports)
    for server in (leaving, staying):
        server.wait_for("model is ready")
    stop = threading.Event()
    balancer = Balancer(ports[0])
    clients = [LoadedClient(balancer.port, stop) for _ in range(8)]
    for client in clients:
        client.start()
    pause = threading.Event()
    while sum(client.outcomes["OK"] for client in clients) < 200:
        assert not pause.wait(0.01)
    leaving.process.send_signal(signal.SIGTERM)
    balancer.backend = ports[1]
    _, stderr = leaving.process.communicate(timeout=20)
    stop.set()
    for client in clients:
        client.join(20)
    balancer.close()
    staying.process.send_signal(signal.SIGTERM)
    staying.process.communicate(timeout=20)
    outcomes = sum((client.outcomes for client in clients), Counter[str]())
    assert set(outcomes) == {"OK"}, outcomes
    assert (leaving.process.returncode, staying.process.returncode) == (0, 0), stderr
    assert '"unfinished":0' in stderr
