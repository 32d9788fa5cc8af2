"""Entry point: the only reader of the environment and of the command line."""

import asyncio
import os
import sys

import uvloop

from . import log, settings
from .kube.credentials import CredentialsError
from .process import Process


def main() -> None:
    """Run the operator until it is told to stop."""
    try:
        loaded = settings.load(sys.argv[1:], os.environ)
    except settings.SettingsError as error:
        sys.exit(f"modelyard-operator: {error}")
    log.configure(loaded.log_format, loaded.log_level)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            sys.exit(runner.run(_run(loaded)))
    except CredentialsError as error:
        sys.exit(f"modelyard-operator: {error}")


async def _run(loaded: settings.Settings) -> int:
    return await Process(loaded, os.environ).run()


if __name__ == "__main__":
    main()
