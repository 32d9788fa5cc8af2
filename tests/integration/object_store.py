"""A real S3 on loopback: versitygw over a folder, the tool that the local cluster runs, too."""

import os
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from modelyard_local.paths import Paths
from modelyard_local.tools import ToolBox

KEYS = {"AWS_ACCESS_KEY_ID": "test-key", "AWS_SECRET_ACCESS_KEY": "test-secret"}


class ObjectStore(msgspec.Struct, frozen=True):
    """A running store; buckets are folders of `folder`."""

    endpoint: str
    folder: Path

    @property
    def env(self) -> Mapping[str, str]:
        return {**KEYS, "AWS_ENDPOINT_URL": self.endpoint, "AWS_REGION": "us-east-1"}


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Start the gateway and wait until it answers; it must have been built by `python -m modelyard_local tools`."""
    binary = ToolBox(Paths.from_env(os.environ)).path("versitygw")
    assert binary.exists(), (
        f"{binary} is missing: build it with `PYTHONPATH=local/src python3 -m modelyard_local tools`"
    )
    data = folder / "data"
    data.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    env = {"ROOT_ACCESS_KEY": KEYS["AWS_ACCESS_KEY_ID"], "ROOT_SECRET_KEY": KEYS["AWS_SECRET_ACCESS_KEY"]}
    with (folder / "versitygw.log").open("wb") as log:
        command = [str(binary), "--quiet", "--port", address, "posix", str(data)]
        process = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log)
    try:
        _wait(f"http://{address}", process)
        yield ObjectStore(f"http://{address}", data)
    finally:
        process.terminate()
        process.wait(10)


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    pause = threading.Event()
    for _ in range(500):
        assert process.poll() is None, "versitygw ended; see its log"
        try:
            urllib.request.urlopen(url, timeout=5)
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            pause.wait(0.02)
    raise AssertionError(f"versitygw does not answer on {url}")
