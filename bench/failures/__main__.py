"""`make bench-failures`: kills one part after the other under load, and tells what clients saw."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from modelyard_demo import target
from modelyard_demo.kube import Kube
from modelyard_demo.scenes import GATEWAY
from modelyard_local.paths import Paths

from . import cluster
from .load import Load, Seen

RESULTS = Path(__file__).resolve().parents[1] / "results" / "failures.json"
# Longer than an answer of the API server is remembered.
API_SERVER_SECONDS = 90.0
QUIET_SECONDS = 10.0
LIMIT_SECONDS = 240.0


def failures(kube: Kube, paths: Paths) -> dict[str, Callable[[], None]]:
    """Name -> what is done, in their order."""
    return {
        "nothing": lambda: time.sleep(QUIET_SECONDS),
        "the process beside one Envoy": lambda: cluster.kill(kube, cluster.GATEWAYS, "modelyard_gateway", 1),
        "the processes beside both": lambda: cluster.kill(kube, cluster.GATEWAYS, "modelyard_gateway", 2),
        "one Envoy": lambda: cluster.kill(kube, cluster.GATEWAYS, "bin/envoy", 1),
        "both operators": lambda: cluster.kill(kube, cluster.OPERATORS, "modelyard_operator", 2),
        "one of two model servers": lambda: cluster.kill(kube, cluster.MODELS, "modelyard-server", 1),
        "a rolling update of the gateway": lambda: cluster.restart(kube, GATEWAY),
        f"the API server for {API_SERVER_SECONDS:.0f} s": lambda: cluster.without_api_server(paths, API_SERVER_SECONDS),
    }


def main() -> None:
    """Measure, and write the results."""
    argparse.ArgumentParser(prog="python -m bench.failures", description=__doc__).parse_args()
    kube = target.choose(os.environ).kube
    address = cluster.prepare(kube)
    token = cluster.token(kube)
    found: dict[str, Seen] = {}
    with Load(address, cluster.PATH, cluster.BODY, lambda: token) as load:
        if not load.steady(QUIET_SECONDS, LIMIT_SECONDS):
            raise SystemExit(f"the model does not answer: {load.seen(0.0).outcomes}")
        for name, fail in failures(kube, Paths.from_env(os.environ)).items():
            # The kubelet would let a container that ends for a second time wait.
            cluster.restart(kube, GATEWAY)
            load.steady(QUIET_SECONDS, LIMIT_SECONDS)
            began = time.monotonic()
            fail()
            recovered = load.steady(QUIET_SECONDS, LIMIT_SECONDS)
            found[name] = load.seen(began)
            print(f"{name}: {asdict(found[name])}{'' if recovered else ' NOT RECOVERED'}", flush=True)
    RESULTS.write_text(json.dumps({name: asdict(seen) for name, seen in found.items()}, indent=1) + "\n")
    print("\n| killed | requests | failed | for | how |\n|---|---|---|---|---|")
    for name, seen in found.items():
        how = ", ".join(f"{count} {one}" for one, count in sorted(seen.outcomes.items()) if one != "200")
        print(f"| {name} | {seen.requests} | {seen.failed} | {seen.outage:.1f} s | {how} |")


if __name__ == "__main__":
    main()
