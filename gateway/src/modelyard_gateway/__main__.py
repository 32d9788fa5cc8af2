"""`modelyard-gateway` works beside Envoy until SIGTERM.

Of Envoy itself: `envoy` becomes it, `drain` is for its end, and `bootstrap` prints what it is started with.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys

import msgspec
import uvloop

from modelyard_operator import http, log
from modelyard_operator.kube import kubeconfig
from modelyard_operator.kube.credentials import CredentialsError
from modelyard_operator.surroundings import Surroundings

from . import carrier, settings
from .envoy.bootstrap import bootstrap
from .process import Process

logger = logging.getLogger(__name__)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="modelyard-gateway", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve", "envoy", "drain", "bootstrap"], default="serve")
    command = parser.parse_args().command
    try:
        loaded = settings.load(os.environ)
    except settings.SettingsError as error:
        sys.exit(f"modelyard-gateway: {error}")
    if command == "bootstrap":
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(bootstrap(loaded))).decode() + "\n")
        return
    log.configure(loaded.log_format, loaded.log_level)
    try:
        if command == "envoy":
            carrier.become_envoy(loaded, dict(os.environ))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_drain(loaded) if command == "drain" else _serve(loaded))
    except (CredentialsError, carrier.NoEnvoyError) as error:
        sys.exit(f"modelyard-gateway: {error}")


async def _drain(loaded: settings.Settings) -> None:
    if left := await carrier.drain(loaded):
        logger.warning("%d requests are cut off: they took longer than drain_timeout, %g s", left, loaded.drain_timeout)


async def _serve(loaded: settings.Settings) -> None:
    process = Process(loaded, kubeconfig.load(os.environ), Surroundings())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, process.stop)
    server = await http.start(loaded.http_port, list, process.unready, lambda: None)
    try:
        await process.run()
    finally:
        await server.cleanup()


if __name__ == "__main__":
    main()
