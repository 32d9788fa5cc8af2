"""Requests that are lost when the server is told to stop, with 16 clients that keep their connections.

Lost is a request that was sent and got no good answer. As in a cluster, new connections go on coming for a second
after the signal, until every load balancer knows; a connection that is refused is not lost, for its client asks another
replica.
"""

from __future__ import annotations

import http.client
import signal
import threading
import time
from dataclasses import dataclass, field

from bench.model_server.bodies import Body
from bench.model_server.processes import END_WITHIN, Server

CLIENTS = 16
BEFORE = 1.0
"""Seconds of load before the signal."""
NOTICED_AFTER = 1.0
"""Seconds after the signal in which clients still open connections."""


@dataclass(frozen=True)
class Ended:
    """How a server ended under load."""

    answered: int
    lost: int
    seconds: float
    code: int
    """Exit code of the first process; -15 is the signal's own."""
    left: int
    """Processes that were still there when the first one had gone."""


@dataclass
class _Counts:
    answered: int = 0
    lost: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *, good: bool) -> None:
        with self.lock:
            self.answered += good
            self.lost += not good


def run(server: Server, path: str, body: Body) -> Ended:
    """Load, tell it to stop, count."""
    counts, stop, moved = _Counts(), threading.Event(), threading.Event()
    work = (server.port, path, body, counts)
    clients = [threading.Thread(target=_client, args=(*work, stop, moved)) for _ in range(CLIENTS)]
    for one in clients:
        one.start()
    time.sleep(BEFORE)
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    timer = threading.Timer(NOTICED_AFTER, moved.set)
    timer.start()
    try:
        code = server.process.wait(END_WITHIN)
    except Exception:  # noqa: BLE001 (it hangs: that is a result, too)
        code = 255
    seconds, left = time.monotonic() - began, len(server.pids)
    timer.cancel()
    moved.set()
    stop.set()
    for one in clients:
        one.join()
    return Ended(counts.answered, counts.lost, seconds, code, left)


def _client(port: int, path: str, body: Body, counts: _Counts, stop: threading.Event, moved: threading.Event) -> None:
    while not moved.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.connect()
        except OSError:
            time.sleep(0.05)
            continue
        _requests(connection, path, body, counts, stop)
        connection.close()


def _requests(
    connection: http.client.HTTPConnection, path: str, body: Body, counts: _Counts, stop: threading.Event
) -> None:
    while not stop.is_set():
        try:
            connection.request("POST", path, body.content, dict(body.headers))
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            counts.add(good=False)
            return
        counts.add(good=response.status == 200)
        if response.getheader("connection", "").lower() == "close" or connection.sock is None:
            return
