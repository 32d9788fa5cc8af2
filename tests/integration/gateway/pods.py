"""Pods behind the gateway: HTTP servers that answer with what they were asked."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from integration.gateway.netns import Network


class Answers(BaseHTTPRequestHandler):
    """Answers of a server of OpenAI's protocol."""

    protocol_version = "HTTP/1.1"

    def chat(self, asked: dict[str, Any], held: threading.Event) -> None:
        """As a server of OpenAI's protocol: a word for each token that is asked for, and usage."""
        words, usage = asked["words"], {"prompt_tokens": 7, "completion_tokens": asked["words"]}
        # What a model writes must not be taken for what the server says.
        text = '"usage": {"prompt_tokens": 0, "completion_tokens": 0}'
        if not asked.get("stream"):
            told = {"choices": [{"message": {"content": text}}], "usage": {**usage, "total": {"x": 1}}}
            self.plain(json.dumps(told).encode(), "application/json")
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("connection", "close")
        self.end_headers()
        events: list[dict[str, Any]] = [{"choices": [{"delta": {"content": text}}], "usage": None}] * words
        if asked.get("include_usage"):
            events = [*events, {"choices": [], "usage": usage}]
        for one in events:
            self.wfile.write(f"data: {json.dumps(one)}\n\n".encode())
            self.wfile.flush()
            held.wait()
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def plain(self, payload: bytes, kind: str) -> None:
        """Answer with these bytes."""
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


class Pod:
    """One address; answers tell which pod it was, the path, the headers and the size of the body."""

    def __init__(self, network: Network, address: str, port: int = 8080) -> None:
        self.address, self.port = address, port
        self.requests = 0
        # Cleared, it lets a stream wait before its next word.
        self.held = threading.Event()
        self.held.set()
        pod = self

        class Handler(Answers):
            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers.get("content-length", "0"))))

            def _answer(self, body: bytes) -> None:
                pod.requests += 1
                if self.path.endswith("/chat/completions"):
                    self.chat(json.loads(body), pod.held)
                    return
                if "stream" in self.path:
                    self._stream()
                    return
                told = {
                    "pod": address,
                    "path": self.path,
                    "headers": [[name.lower(), value] for name, value in self.headers.items()],
                    "bytes": len(body),
                }
                self.plain(json.dumps(told).encode(), "application/json")

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
