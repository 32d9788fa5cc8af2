"""The command line: `PYTHONPATH=local/src python3 -m modelyard_local COMMAND`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from . import cluster, images, layout, packages, status, teardown, tools
from .controlplane import ControlPlane
from .daemons import NAMES, Daemons
from .errors import LocalError, tail
from .paths import Paths
from .progress import Progress
from .steps import Step, run_steps


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Paths], int] = options.command
    try:
        return command(options, Paths.from_env(os.environ))
    except LocalError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.log is not None:
            print(f"--- last lines of {error.log}\n{tail(error.log)}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="modelyard_local", description="A local Kubernetes without Docker.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace, Paths], int], summary: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.set_defaults(command=command)
        return sub

    add("up", _up, "Bring the cluster up, or heal it.")
    down = add("down", _down, "Remove the cluster and everything it made on this machine.")
    down.add_argument("--keep-images", action="store_true", help="keep built images for the next `up`")
    add("status", _status, "Show every part; exit with 0 only if all are healthy.")
    build = add("tools", _tools, "Build the Go tools that are not built yet.")
    build.add_argument("--tier", choices=tools.TIERS, default="all", help="which tools (default: all)")
    build.add_argument("--only", nargs="+", default=[], metavar="TOOL", help="these tools only")
    build.add_argument("--paths", action="store_true", help="build nothing, print `name path` of each")
    image = add("images", _images, "Build and push the images whose inputs changed.")
    image.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(images.NAMES)} (default: all)")
    image.add_argument("--registry", help="push to this registry instead of the local one")
    _add_api(add("api-up", _api_up, "Start etcd and an API server on loopback, without root."))
    _add_api(add("api-down", _api_down, "Stop what api-up started."))
    add("kubeconfig", _kubeconfig, "Print the path of the administrator's kubeconfig.")
    logs = add("logs", _logs, "Print the log of a part.")
    logs.add_argument("part", metavar="PART", help=f"one of {', '.join(NAMES)}, or image-NAME")
    logs.add_argument("--lines", type=int, default=100, help="how many lines (default: 100)")
    return parser


def _add_api(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", type=Path, required=True, help="folder of this control plane")
    parser.add_argument("--controller-manager", action="store_true", help="run kube-controller-manager too")


def _up(_: argparse.Namespace, paths: Paths) -> int:
    progress = Progress()
    cluster.up(paths, progress)
    progress.line("the cluster is up")
    print(f'export KUBECONFIG={paths.kubeconfig} PATH="{paths.links}:$PATH"')
    return 0


def _down(options: argparse.Namespace, paths: Paths) -> int:
    progress = Progress()
    with cluster.locked(paths, progress):
        teardown.down(paths, progress, keep_images=options.keep_images)
    progress.line(f"nothing of the cluster is left; built tools stay in {paths.cache}")
    return 0


def _status(_: argparse.Namespace, paths: Paths) -> int:
    found = status.parts(paths)
    print(status.table(found))
    print(f"export KUBECONFIG={paths.kubeconfig}")
    return 0 if all(part.healthy for part in found) else 1


def _tools(options: argparse.Namespace, paths: Paths) -> int:
    box = tools.ToolBox(paths)
    chosen = tools.select(options.tier, options.only)
    if options.paths:
        for tool in chosen:
            print(tool.name, box.path(tool.name))
        return 0
    progress = Progress()
    run_steps([cluster.tool_step("tools", chosen, box, progress)], progress)
    return 0


def _images(options: argparse.Namespace, paths: Paths) -> int:
    progress = Progress()
    box = tools.ToolBox(paths)
    builder = images.Builder(paths, box, options.registry or layout.REGISTRY)
    names = images.select(options.names)
    needed = tools.select("node", ["registry", "versitygw", "pause"])
    daemons = Daemons(paths, box)
    steps = [
        Step("packages", lambda: packages.ensure(paths.logs / "packages.log")),
        cluster.tool_step("tools", needed, box, progress, after="packages"),
        Step("registry", lambda: "" if options.registry else daemons.ensure("registry"), ("tools",)),
        Step("base image", builder.base, ("tools",), heavy=True),
        *cluster.image_steps(names, builder),
    ]
    with cluster.locked(paths, progress):
        run_steps(steps, progress)
    for name in names:
        print(name, images.references(paths).get(name, "-") if not options.registry else builder.reference(name))
    return 0


def _api_up(options: argparse.Namespace, _: Paths) -> int:
    began = time.monotonic()
    plane = ControlPlane(options.dir, controller_manager=options.controller_manager)
    plane.start()
    print(f"ready in {time.monotonic() - began:.1f} s: {plane.server}\nexport KUBECONFIG={plane.kubeconfig}")
    return 0


def _api_down(options: argparse.Namespace, _: Paths) -> int:
    ControlPlane(options.dir).stop()
    return 0


def _kubeconfig(_: argparse.Namespace, paths: Paths) -> int:
    if not paths.kubeconfig.exists():
        raise LocalError("there is no cluster; run `up`")
    print(paths.kubeconfig)
    return 0


def _logs(options: argparse.Namespace, paths: Paths) -> int:
    log = Daemons(paths, tools.ToolBox(paths)).supervisor.log(options.part)
    if not log.exists():
        raise LocalError(
            f"{options.part} has no log; there are {', '.join(sorted(p.stem for p in paths.logs.glob('*.log')))}"
        )
    print(tail(log, options.lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
