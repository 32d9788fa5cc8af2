"""Pods behind the gateway: HTTP servers that answer with what they were asked."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from integration.gateway.netns import Network


class Pod:
    """One address; answers tell which pod it was, the path, the headers and the size of the body."""

    def __init__(self, network: Network, address: str, port: int = 8080) -> None:
        self.address, self.port = address, port
        self.requests = 0
        pod = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers.get("content-length", "0"))))

            def _answer(self, body: bytes) -> None:
                pod.requests += 1
                if "stream" in self.path:
                    self._stream()
                    return
                told = {
                    "pod": address,
                    "path": self.path,
                    "headers": [[name.lower(), value] for name, value in self.headers.items()],
                    "bytes": len(body),
                }
                payload = json.dumps(told).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def _stream(self) -> None:
                """Server-sent events, a tenth of a second apart."""
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                for number in range(5):
                    self.wfile.write(f"data: {number}\n\n".encode())
                    self.wfile.flush()
                    time.sleep(0.1)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((address, port), Handler, bind_and_activate=False)
        self._server.daemon_threads = True
        self._server.socket.close()
        self._server.socket = network.listen((address, port))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def end(self) -> None:
        """Stop listening; connections that are open go on."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
