"""`modelyard-gateway` works beside Envoy until SIGTERM; with `bootstrap` it prints what Envoy is started with."""

import argparse
import asyncio
import os
import signal
import sys

import msgspec
import uvloop

from modelyard_operator import http, log
from modelyard_operator.kube import kubeconfig
from modelyard_operator.kube.credentials import CredentialsError
from modelyard_operator.surroundings import Surroundings

from . import settings
from .envoy.bootstrap import bootstrap
from .process import Process


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="modelyard-gateway", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve", "bootstrap"], default="serve")
    command = parser.parse_args().command
    try:
        loaded = settings.load(os.environ)
    except settings.SettingsError as error:
        sys.exit(f"modelyard-gateway: {error}")
    if command == "bootstrap":
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(bootstrap(loaded))).decode() + "\n")
        return
    log.configure("json", "INFO")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(loaded))
    except CredentialsError as error:
        sys.exit(f"modelyard-gateway: {error}")


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
