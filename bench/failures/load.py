"""Clients that ask a model all the time, each request on a connection of its own, and what became of each."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

CLIENTS = 4
# Between two requests of a client, so that a small machine has time for those who answer.
PAUSE = 0.02


@dataclass(frozen=True)
class Asked:
    """A request: when it began, in seconds of a clock that only goes forward, how long it took, how it ended."""

    began: float
    seconds: float
    outcome: str


@dataclass(frozen=True)
class Seen:
    """What clients saw of one failure. `outage` is from the first request that failed until the last one ended."""

    requests: int
    failed: int
    outage: float
    outcomes: dict[str, int]


class Load:
    """Runs for the time of a `with` block."""

    def __init__(self, address: tuple[str, int], path: str, body: bytes, token: Callable[[], str]) -> None:
        self._address, self._path, self._body, self._token = address, path, body, token
        self._asked: list[Asked] = []
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def seen(self, since: float) -> Seen:
        """What became of the requests that began at `since` or later."""
        with self._lock:
            chosen = [one for one in self._asked if one.began >= since]
        failed = [one for one in chosen if one.outcome != "200"]
        outage = max(one.began + one.seconds for one in failed) - min(one.began for one in failed) if failed else 0.0
        return Seen(len(chosen), len(failed), outage, dict(Counter(one.outcome for one in chosen)))

    def steady(self, seconds: float, limit: float) -> bool:
        """Wait until nothing has failed for so long from now on; whether that came within the limit."""
        began = time.monotonic()
        deadline = began + limit
        while time.monotonic() < deadline:
            self._stop.wait(0.5)
            with self._lock:
                last = max((one.began for one in self._asked if one.outcome != "200"), default=began)
            last = max(last, began)
            if time.monotonic() - last > seconds:
                return True
        return False

    def _run(self) -> None:
        while not self._stop.wait(PAUSE):
            began = time.monotonic()
            outcome = self._ask()
            with self._lock:
                self._asked.append(Asked(began, time.monotonic() - began, outcome))

    def _ask(self) -> str:
        connection = http.client.HTTPConnection(*self._address, timeout=10)
        try:
            headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
            connection.request("POST", self._path, self._body, headers)
            answer = connection.getresponse()
            answer.read()
            reason = answer.headers.get("x-modelyard-reason", "")
            return f"{answer.status} {reason}".strip()
        except TimeoutError:
            return "no answer in 10 s"
        except OSError as error:
            return error.strerror or type(error).__name__
        except http.client.HTTPException as error:
            return type(error).__name__
        finally:
            connection.close()
