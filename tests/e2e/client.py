"""Runs in a pod, with a token that the kubelet mounts, and asks a model.

Several callers ask in a loop until SIGTERM; a line of JSON then says what they got.
"""

import collections
import json
import pathlib
import signal
import sys
import threading
import urllib.error
import urllib.request

CALLERS = 4
TOKEN = pathlib.Path("/var/run/modelyard/token")
# Between two questions of a caller, so that the callers leave a small machine to those whom they ask.
PAUSE = 0.03


def run(url: str) -> None:
    """Ask until told to stop. The first answer is waited for; from then on everything counts."""
    counts: collections.Counter[str] = collections.Counter()
    lock, stop = threading.Lock(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    body = json.dumps(
        {"inputs": [{"name": "measurements", "datatype": "FP32", "shape": [1, 30], "data": [1.0] * 30}]}
    ).encode()

    def ask() -> str:
        # The kubelet replaces the token before it ends.
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN.read_text()}"}
        request = urllib.request.Request(url, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return f"{answer.status} version {json.loads(answer.read())['model_version']}"
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read()[:200]!r}"
        except OSError as error:
            return f"{type(error).__name__} {error}"

    def call() -> None:
        stopped = False
        while not stopped:
            outcome = ask()
            with lock:
                counts[outcome] += 1
            stopped = stop.wait(PAUSE)

    print("started", ask(), flush=True)
    threads = [threading.Thread(target=call) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    run(sys.argv[1])
