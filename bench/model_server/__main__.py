"""`python -m bench.model_server`: measures peers in shuffled order, each beside the echo, and writes what it found."""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from bench.model_server import environments, measure, networks, store
from bench.model_server.measure import Figure, Plan
from bench.model_server.networks import Built
from bench.model_server.peers import ECHO, PEERS, Peer

RESULTS = Path(__file__).resolve().parents[1] / "results" / "model_server.jsonl"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m bench.model_server", description=__doc__)
    others = [name for name in PEERS if name != ECHO]
    made.add_argument("--peers", nargs="+", choices=others, default=others, help="(all)")
    made.add_argument("--models", nargs="+", choices=networks.MODELS, default=list(networks.MODELS), help="(all)")
    made.add_argument("--connections", nargs="+", type=int, default=[1, 16, 64])
    made.add_argument("--seconds", type=int, default=4, help="per measurement, after a second of warm-up (4)")
    made.add_argument("--repetitions", type=int, default=2, help="each with a start of its own (2)")
    made.add_argument("--seed", type=int, default=0, help="of the order (0)")
    made.add_argument("--out", type=Path, default=RESULTS)
    made.add_argument("--prepare", action="store_true", help="make the environments and end")
    return made


def main() -> None:
    """Measure; a peer that does not run is told at the end, and the others are measured nevertheless."""
    options = parser().parse_args()
    chosen = [PEERS[name] for name in (ECHO, *options.peers)]
    programs = {peer.name: environments.prepare(peer) for peer in chosen}
    if options.prepare:
        return
    found: defaultdict[str, list[Figure]] = defaultdict(list)
    failed: dict[str, str] = {}
    load, began = os.getloadavg()[0], time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        models = [networks.build(name, Path(temporary)) for name in options.models]
        runs = [(peer, model) for peer in chosen for model in models] * options.repetitions
        random.Random(options.seed).shuffle(runs)  # noqa: S311 (an order, not a secret)
        for peer, model in runs:
            try:
                found[peer.name] += _measured(peer, model, programs[peer.name], options)
            except (RuntimeError, OSError) as error:
                failed[peer.name] = str(error)
    for peer in chosen:
        if peer.name not in failed:
            about = _about(peer, programs[peer.name], options) | {"load_before": round(load, 2)}
            made = store.lines(peer.name, about, found[peer.name], found[ECHO])
            store.write(options.out, _head(), peer.name, made)
    print(f"measured in {time.monotonic() - began:.0f} s; results are in {options.out}")
    for name, message in failed.items():
        print(f"{name} was not measured: {message}", file=sys.stderr)
    sys.exit(1 if failed else 0)


def _measured(peer: Peer, model: Built, programs: Path, options: Any) -> list[Figure]:
    plan = Plan(options.seconds, options.connections)
    figures = list(measure.peer_with_model(peer, model, programs, plan))
    for one in figures:
        print(f"{peer.name:10} {one.name:28} {one.value:12.3f} {one.unit}", flush=True)
    return figures


def _about(peer: Peer, programs: Path, options: Any) -> dict[str, Any]:
    return {
        "title": peer.title,
        "version": environments.version(peer.package, programs),
        "settings": peer.settings,
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": options.seconds,
        "repetitions": options.repetitions,
    }


def _head() -> dict[str, Any]:
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "unknown",
    )
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    return {"kind": "head", "cpu": cpu, "cpus": os.cpu_count(), "system": platform.platform(), **versions}


if __name__ == "__main__":
    main()
