"""`python -m modelyard_conformance URL`: 0 when nothing failed, 1 otherwise, 2 when there is nothing to ask."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

# The import of a room adds its clauses, in this order: what unloads the model comes last.
from modelyard_conformance import binary, clauses, report, repository, rest, rest_errors, rpc, rpc_errors, v1  # noqa: F401
from modelyard_conformance.clauses import Verdict
from modelyard_conformance.target import NoTargetError, find
from modelyard_conformance.wire import Wire


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m modelyard_conformance", description=__doc__)
    made.add_argument("url", metavar="URL", nargs="?", help="address of the REST server")
    made.add_argument(
        "--grpc", metavar="HOST:PORT", default="", help="address of the gRPC server; none is asked when absent"
    )
    made.add_argument(
        "--model", metavar="NAME", default="", help="the model to ask; the first one that the server lists when absent"
    )
    made.add_argument(
        "--part",
        metavar="PART",
        action="append",
        choices=report.PARTS,
        help=f"only {', '.join(report.PARTS)}; may be repeated",
    )
    made.add_argument(
        "--header",
        metavar="NAME:VALUE",
        action="append",
        default=[],
        help="sent with every REST request; may be repeated",
    )
    made.add_argument("--json", metavar="FILE", type=Path, help="writes the verdicts there as well")
    made.add_argument("--list", action="store_true", help="print the clauses and end")
    return made


def main(argv: list[str] | None = None) -> int:
    """Judge a server."""
    arguments = parser().parse_args(argv)
    chosen = [one for one in clauses.ALL if not arguments.part or one.part in arguments.part]
    if arguments.list:
        print("\n".join(f"{one.id}  {one.text}" for one in chosen))
        return 0
    if not arguments.url:
        parser().error("URL is missing")
    headers = {name.strip(): value.strip() for name, _, value in (one.partition(":") for one in arguments.header)}
    try:
        target = find(Wire(arguments.url, headers), arguments.model, arguments.grpc)
    except NoTargetError as error:
        print(f"modelyard_conformance: {error}", file=sys.stderr)
        return 2
    results = clauses.judge(chosen, target)
    print(report.table(results))
    if arguments.json:
        about = {"url": arguments.url, "grpc": arguments.grpc, "model": target.model}
        arguments.json.write_text(json.dumps(report.document(results, about), indent=1) + "\n")
    return int(any(one.verdict is Verdict.FAIL for one in results))


if __name__ == "__main__":
    sys.exit(main())
