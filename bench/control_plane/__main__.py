"""`python -m bench.control_plane`: measure, print, write bench/results/control_plane.jsonl."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.control_plane import fake
from bench.control_plane.arena import NODES, ROOT, Arena, cluster, store
from bench.control_plane.bursts import NAMESPACE
from bench.control_plane.figures import Figures
from bench.control_plane.load import AT_ONCE
from bench.control_plane.operators import SETTINGS
from bench.control_plane.serving import Serving
from bench.control_plane.stored import Stored
from bench.report import tables
from bench.report.results import parse
from modelyard_local.components import UNBOUND
from modelyard_local.paths import Paths
from modelyard_local.tools import module_version

OUT = ROOT / "bench/results/control_plane.jsonl"


def measure(figures: Figures, models: int, folder: Path, *, once: bool) -> None:
    """Fresh clusters one after the other. Connections belong to a running loop, so each has one of its own."""
    small, large = Stored(figures, models), Serving(figures, models, once=once)
    with _place(figures, folder, "beside the operator", store) as place:
        beside = asyncio.run(small.beside(*place))
    with _place(figures, folder, "bare apply", store) as place:
        bare = asyncio.run(small.bare(*place))
    with _place(figures, folder, "operator started after the models", store) as place:
        cold = asyncio.run(small.cold(*place))
    small.compare(beside, bare, cold)
    with _place(figures, folder, "beside the operator, until all are Ready", cluster) as place:
        ready = asyncio.run(large.beside(*place))
    with _place(figures, folder, "bare apply, until all are available", cluster) as place:
        available = asyncio.run(large.bare(*place, small.template))
    large.compare(ready, available)


@contextmanager
def _place(
    figures: Figures, folder: Path, name: str, kind: Callable[[Path], AbstractContextManager[Arena]]
) -> Iterator[tuple[Arena, Path]]:
    """A fresh cluster with the namespace of a burst."""
    figures.say(f"== {name}")
    place = Path(tempfile.mkdtemp(dir=folder))
    with kind(place) as found:
        found.namespace(NAMESPACE)
        yield found, place


def versions() -> dict[str, str]:
    """Versions of what is measured with."""
    sources = Paths.from_env({}).tool_sources
    modules = {"kubernetes": "k8s.io/kubernetes", "etcd": "go.etcd.io/etcd/server/v3", "kwok": "sigs.k8s.io/kwok"}
    return {name: module_version((sources / name / "go.mod").read_text(), module) for name, module in modules.items()}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="bench.control_plane", description=__doc__)
    parser.add_argument("--models", type=int, nargs="+", default=[100, 1000], help="how many (default: 100 1000)")
    parser.add_argument("--full", action="store_true", help="5000 models, too")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    head = {
        "versions": versions(),
        "nodes": NODES.count,
        "clients": AT_ONCE,
        "controller_manager_qps": UNBOUND.qps,
        "operator_settings": SETTINGS,
    }
    figures = Figures(arguments.out, head)
    figures.say(f"controller manager and scheduler may send {UNBOUND.qps} requests a second; Kubernetes' default is 20")
    with tempfile.TemporaryDirectory() as folder:
        for models in arguments.models + [5000] * arguments.full:
            measure(figures, models, Path(folder), once=models == arguments.models[0])
        fake.measure(figures, Path(folder))
    print(tables.text(tables.cells(parse(arguments.out.read_text().splitlines()))))


if __name__ == "__main__":
    main()
