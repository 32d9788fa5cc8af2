"""The conformance suite against our server and the peers that speak the protocol, all with the same model.

`python -m bench.model_server.conformance` writes bench/results/conformance.json, which docs/generate shows as a page.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.model_server import environments, networks, processes
from bench.model_server.networks import Built
from bench.model_server.peers import OURS, PEERS, Peer, Ports, start

ROOT = Path(__file__).resolve().parents[2]
SUITE = ROOT / "tests" / "conformance" / "src"
RESULTS = ROOT / "bench" / "results" / "conformance.json"
CLIENT = ROOT / "tests" / "contract" / "clients" / "kserve_client.py"
JUDGED = ("ours", "mlserver", "kserve")


def main() -> None:
    """Judge the chosen servers; those that are not chosen keep their verdicts."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--peers", nargs="+", choices=JUDGED, default=list(JUDGED), help="(all)")
    made.add_argument("--out", type=Path, default=RESULTS)
    options = made.parse_args()
    found: dict[str, Any] = json.loads(options.out.read_text()) if options.out.is_file() else {}
    with tempfile.TemporaryDirectory() as temporary:
        built = networks.build("mlp", Path(temporary))
        for name in options.peers:
            found[name] = judge(PEERS[name], built, Path(temporary) / name)
    kept = {name: found[name] for name in JUDGED if name in found}
    options.out.write_text(json.dumps(kept, indent=1) + "\n")


def judge(peer: Peer, built: Built, root: Path) -> dict[str, Any]:
    """Version, date and verdicts of one server."""
    programs = environments.prepare(peer)
    folder = root / "conformance"
    folder.mkdir(parents=True)
    ports = processes.free_ports()
    begin = start(peer, built, ports, folder)
    ready = peer.ready.format(name=built.name)
    with processes.running(begin, programs, ports.http, ready, folder / "log"):
        out = folder / "verdicts.json"
        command = [
            sys.executable,
            "-m",
            "modelyard_conformance",
            f"http://127.0.0.1:{ports.http}",
            "--model",
            built.name,
        ]
        command += ["--grpc", f"127.0.0.1:{ports.more[0]}", "--json", str(out)]
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": str(SUITE)}, capture_output=True, text=True, check=False
        )
        if done.returncode not in (0, 1):
            raise SystemExit(f"{peer.name}: {done.stderr}")
        if peer.name == OURS:
            _ask_as_kserve(ports, built)
    print(f"{peer.title}: {done.stdout.splitlines()[-1]}")
    about = {"title": peer.title, "version": environments.version(peer.package, programs)}
    return {**about, "date": datetime.now(UTC).date().isoformat(), "results": json.loads(out.read_text())["results"]}


def _ask_as_kserve(ports: Ports, built: Built) -> None:
    """KServe's own clients work unchanged against ours; their environment is that of the peer."""
    python = environments.prepare(PEERS["kserve"]) / "python"
    arguments = [str(ports.http), str(ports.more[0]), built.name, str(built.row[0])]
    done = subprocess.run([python, CLIENT, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"KServe's clients do not work against ours: {done.stderr[-2000:]}")
    print("KServe's clients, over REST and gRPC, work unchanged against ours")


if __name__ == "__main__":
    main()
