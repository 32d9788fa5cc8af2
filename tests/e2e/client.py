"""Runs in a pod: several callers ask a model in a loop and count what they get. Prints one JSON line at the end."""

import collections
import json
import sys
import threading
import time
import urllib.error
import urllib.request

CALLERS = 4


def run(url: str, seconds: float) -> None:
    """Ask until the time is over. The first answer is waited for; from then on everything counts."""
    counts: collections.Counter[str] = collections.Counter()
    lock = threading.Lock()
    until = time.monotonic() + seconds
    body = json.dumps(
        {"inputs": [{"name": "measurements", "datatype": "FP32", "shape": [1, 30], "data": [1.0] * 30}]}
    ).encode()

    def ask() -> str:
        request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return f"{answer.status} version {json.loads(answer.read())['model_version']}"
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read()[:200]!r}"
        except OSError as error:
            return f"{type(error).__name__} {error}"

    def call() -> None:
        while time.monotonic() < until:
            outcome = ask()
            with lock:
                counts[outcome] += 1

    print("started", ask(), flush=True)
    threads = [threading.Thread(target=call) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    run(sys.argv[1], float(sys.argv[2]))
