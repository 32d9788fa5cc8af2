"""`make bench-gateway`: a direct call, Envoy alone and the gateway; writes bench/results/gateway.jsonl."""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from pathlib import Path

from bench.control_plane.figures import Figures, quantile
from bench.gateway import single, wrk
from bench.gateway.scene import ALONE, ANSWER, TEAM, Scene, scene
from integration.gateway.standing import PODS, PORT

RESULTS = Path(__file__).resolve().parents[1] / "results" / "gateway.jsonl"
CONNECTIONS = (1, 16, 64)
ROUTES = (100, 5000)
# Tokens that claim to be for us, and of which the API server knows nothing; each is another one.
FLOOD = """
local claims = "eyJhdWQiOiJtb2RlbHlhcmQuZGV2L2luZmVyZW5jZSJ9"
local count = 0
request = function()
  count = count + 1
  wrk.headers["authorization"] = "Bearer head." .. claims .. "." .. count
  return wrk.format()
end
"""


def throughput(found: Scene, figures: Figures, folder: Path, seconds: int, repetitions: int) -> None:
    """Each way with each number of connections, in shuffled order; the best of the repetitions."""
    ways = {
        "direct": (f"http://{PODS[0]}:8080/v2/models/digits/infer", ""),
        "envoy": (f"http://127.0.0.1:{ALONE}/v2/models/digits/infer", ""),
        "gateway": (f"http://127.0.0.1:{PORT}{single.PATH}", wrk.bearer(found.token)),
    }
    processes = wrk.pids(found.gateway.folder)
    runs = [(way, many) for way in ways for many in CONNECTIONS for _ in range(repetitions)]
    random.Random(0).shuffle(runs)  # noqa: S311 - an order, no secret
    best: dict[tuple[str, int], wrk.Loaded] = {}
    for way, many in runs:
        url, script = ways[way]
        running = wrk.load(found.network, url, many, seconds, folder, script)
        loaded = wrk.result(running, processes if way == "gateway" else {})
        if loaded.refused or loaded.broken:
            raise RuntimeError(f"{way} with {many} connections: {loaded}")
        if (way, many) not in best or loaded.rps > best[way, many].rps:
            best[way, many] = loaded
    for (way, many), loaded in sorted(best.items()):
        figures.add(f"{way}.c{many}.rps", loaded.rps, "requests/s", beside=_beside(best, way, many))
        figures.add(f"{way}.c{many}.p50", loaded.p50_ms, "ms")
        figures.add(f"{way}.c{many}.p99", loaded.p99_ms, "ms")
        for process, cost in loaded.cpu_us.items():
            figures.add(f"{way}.c{many}.cpu.{process}", cost, "us per request")
        if loaded.cpu_us:
            figures.add(f"{way}.c{many}.per_core", 1e6 / sum(loaded.cpu_us.values()), "requests/s of one CPU")
    figures.add("added.c1.p50", best["gateway", 1].p50_ms - best["direct", 1].p50_ms, "ms")


def _beside(best: dict[tuple[str, int], wrk.Loaded], way: str, many: int) -> tuple[str, float] | None:
    return None if way == "direct" else (f"direct.c{many}.rps", best["direct", many].rps)


def routes(found: Scene, figures: Figures, folder: Path, seconds: int) -> None:
    """The same with many models: throughput, memory, and how soon a new address is used."""
    processes, present = wrk.pids(found.gateway.folder), 0
    for count in ROUTES:
        found.fill(present, count)
        present = count
        url = f"http://127.0.0.1:{PORT}{single.PATH}"
        loaded = wrk.result(wrk.load(found.network, url, 16, seconds, folder, wrk.bearer(found.token)), processes)
        figures.add(f"routes.{count}.c16.rps", loaded.rps, "requests/s")
        for process, pid in processes.items():
            figures.add(f"routes.{count}.memory.{process}", wrk.megabytes(pid), "MB")
        times = single.moves(found, 20)
        figures.add(f"routes.{count}.address.p50", statistics.median(times), "ms")
        figures.add(f"routes.{count}.address.max", max(times), "ms")


def flood(found: Scene, figures: Figures, folder: Path, seconds: int) -> None:
    """Strange tokens as fast as they come, and beside them one client whose token is known."""
    asked = found.gateway.metric("modelyard_api_requests_total", resource="tokenreviews")
    url = f"http://127.0.0.1:{PORT}{single.PATH}"
    strange = wrk.load(found.network, url, 32, seconds + 2, folder, FLOOD)
    good = wrk.result(wrk.load(found.network, url, 1, seconds, folder, wrk.bearer(found.token)), {})
    loaded = wrk.result(strange, {})
    questions = found.gateway.metric("modelyard_api_requests_total", resource="tokenreviews") - asked
    figures.add("flood.strange.rps", loaded.rps, "requests/s")
    figures.add("flood.questions", questions / (seconds + 2), "questions to the API server a second")
    figures.add("flood.good.rps", good.rps, "requests/s")
    figures.add("flood.good.p50", good.p50_ms, "ms")
    figures.add("flood.good.p99", good.p99_ms, "ms")
    figures.add("flood.good.lost", good.refused + good.broken, "requests")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="of each run of wrk (4)")
    parser.add_argument("--repetitions", type=int, default=2, help="of each; the best counts (2)")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    figures = Figures(asked.out, {"answer_bytes": len(ANSWER), "body_bytes": len(wrk.BODY)})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with scene(folder) as found:
            figures.say("one model: a direct call, Envoy alone, the gateway")
            throughput(found, figures, folder, asked.seconds, asked.repetitions)
            figures.say("tokens that are new")
            times = single.cold(found, 50)
            figures.add("cold.p50", quantile(times, 0.5), "ms")
            figures.add("cold.p99", quantile(times, 0.99), "ms")
            figures.say("a flood of strange tokens")
            flood(found, figures, folder, asked.seconds)
            figures.say(f"{ROUTES} models in namespace {TEAM}")
            routes(found, figures, folder, asked.seconds)
            figures.say("the first event of a stream")
            direct, through = single.first_events(found, 20)
            figures.add("stream.direct.first_event.p50", statistics.median(direct), "ms")
            figures.add("stream.gateway.first_event.p50", statistics.median(through), "ms")


if __name__ == "__main__":
    main()
