"""The command behind `make demo`."""

from __future__ import annotations

import argparse
import os
import sys

from modelyard_local.errors import LocalError, tail

from . import scenes, target
from .story import Story

PREPARED = (scenes.install, scenes.store, scenes.train)


def main() -> int:
    """Run all scenes; the exit status."""
    argparse.ArgumentParser(
        prog="make demo",
        description="Bring up a cluster, install Modelyard, train, deploy and query real models. "
        "MODELYARD_CLUSTER=current with REGISTRY=… uses the cluster that kubectl talks to.",
    ).parse_args()
    story = Story()
    try:
        story.heading("A Kubernetes cluster")
        chosen = target.choose(os.environ)
        story.good(f"{chosen.name} is ready, with {chosen.gpus()} GPUs")
        for scene in (*PREPARED, scenes.deploy, scenes.predict, scenes.call, scenes.finish):
            scene(chosen, story)
    except LocalError as error:
        print(f"\nerror: {error}", file=sys.stderr)
        if error.log is not None:
            print(f"--- last lines of {error.log}\n{tail(error.log)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to go on", file=sys.stderr)
        return 130
    story.good(f"done {story.elapsed()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
