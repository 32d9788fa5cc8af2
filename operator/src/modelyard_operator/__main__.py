"""Entry point: the only reader of the environment and of the command line."""

import asyncio
import os
import signal
import sys

import uvloop

from . import http, log, settings
from .kube import credentials
from .process import Process
from .surroundings import Surroundings


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
    except credentials.CredentialsError as error:
        sys.exit(f"modelyard-operator: {error}")


async def _run(loaded: settings.Settings) -> int:
    process = Process(loaded, credentials.load(os.environ), Surroundings())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, process.stop)
    server = await http.start(loaded.http_port, process.problems, process.unready, process.collect)
    try:
        return await process.run()
    finally:
        await server.cleanup()


if __name__ == "__main__":
    main()
