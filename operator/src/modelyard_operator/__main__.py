"""Entry point: the only reader of the environment and of the command line."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import uvloop
from prometheus_client import REGISTRY

from . import http, log, settings
from .bundle import BundleError, parse
from .kube import kubeconfig
from .kube.credentials import CredentialsError
from .process import Process
from .render import Manifest
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
    except (CredentialsError, BundleError) as error:
        sys.exit(f"modelyard-operator: {error}")


async def _run(loaded: settings.Settings) -> int:
    process = Process(loaded, kubeconfig.load(os.environ), Surroundings(), _bundle(loaded))
    REGISTRY.register(process.model_metrics())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, process.stop)
    server = await http.start(loaded.http_port, process.problems, process.unready, process.collect)
    try:
        return await process.run()
    finally:
        await server.cleanup()


def _bundle(loaded: settings.Settings) -> list[Manifest]:
    """What the installation brings along; BundleError names the file."""
    if not loaded.bundle:
        return []
    try:
        return parse(Path(loaded.bundle).read_bytes(), loaded.installation())
    except (OSError, BundleError) as error:
        raise BundleError(f"--bundle (MODELYARD_BUNDLE) {loaded.bundle}: {error}") from error


if __name__ == "__main__":
    main()
