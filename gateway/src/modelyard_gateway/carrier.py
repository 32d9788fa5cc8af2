"""Envoy as a process: how it begins, and how it ends without cutting anybody off."""

import asyncio
import os
import re
import shutil
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import NoReturn

import aiohttp
import msgspec

from .envoy.bootstrap import admin_socket, bootstrap
from .settings import Settings

# kube-proxy and load balancers send new connections for a while after a pod was told to end.
LINGER_SECONDS = 5.0
POLL_SECONDS = 0.25
_LEVELS = {"DEBUG": "debug", "INFO": "warning", "WARNING": "warning", "ERROR": "error"}
_ACTIVE = re.compile(r"^http\.models\.downstream_rq_active: (\d+)$", re.MULTILINE)


class NoEnvoyError(Exception):
    """Envoy is not there, or does not answer; the message says where it was looked for."""


def become_envoy(settings: Settings, environment: dict[str, str]) -> NoReturn:
    """Replace this process by Envoy. The process that says where models are must have published before."""
    found = shutil.which("envoy", path=environment.get("PATH"))
    if found is None:
        raise NoEnvoyError("there is no program `envoy` on PATH; the image of the gateway has one")
    file = settings.folder / "bootstrap.json"
    file.write_bytes(msgspec.json.encode(bootstrap(settings)))
    os.execve(found, arguments(found, file, settings), environment)  # noqa: S606 - there is no shell


def arguments(program: str, file: Path, settings: Settings) -> list[str]:
    """How Envoy is called. Its hot restart needs shared memory and two Envoys; a pod has one.

    Lines of the audit would wait for 10 s by default, and be lost with an Envoy that is killed; and limits and budgets
    wait for the lines that tell what was used.
    """
    return [
        *(program, "--config-path", str(file), "--concurrency", str(settings.envoy_threads)),
        *("--log-level", _LEVELS[settings.log_level], "--disable-hot-restart"),
        *("--file-flush-interval-msec", "100"),
    ]


async def drain(
    settings: Settings,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> int:
    """Ask clients to go elsewhere, and wait until no request is left; how many are when the time is over.

    Each answer from now on closes its connection, and Envoy is no longer ready. New connections are taken all the
    while: whoever sends them does not know yet. Raises NoEnvoyError.
    """
    path = admin_socket(settings.folder)
    began = clock()
    try:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session:
            await _asked(session, "POST", "/healthcheck/fail")
            while True:
                active = _active(await _asked(session, "GET", "/stats?filter=downstream_rq_active"))
                passed = clock() - began
                if passed >= settings.drain_timeout or (active == 0 and passed >= LINGER_SECONDS):
                    return active
                await sleep(POLL_SECONDS)
    except (OSError, aiohttp.ClientError) as error:
        raise NoEnvoyError(f"Envoy does not answer at {path}: {error}") from error


async def _asked(session: aiohttp.ClientSession, method: str, path: str) -> str:
    async with session.request(method, f"http://envoy{path}") as answer:
        text = await answer.text()
        if answer.status != HTTPStatus.OK:
            raise NoEnvoyError(f"Envoy answers {method} {path} with {answer.status}: {text[:200]}")
        return text


def _active(text: str) -> int:
    found = _ACTIVE.search(text)
    return int(found[1]) if found else 0
