"""kubectl and helm on one cluster, and manifests with names to fill in."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelyard_local.errors import LocalError

MANIFESTS = Path(__file__).resolve().parents[2] / "demo"
_NAME = re.compile(r"\$\{([A-Z_]+)\}")


class Kube:
    """Runs kubectl and helm; every failure is one line that says which command failed and why."""

    def __init__(self, kubectl: str, helm: str, kubeconfig: Path | None) -> None:
        self._kubectl, self._helm = kubectl, helm
        self._environment = dict(os.environ) | ({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})

    def run(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl and return what it prints."""
        return self._checked([self._kubectl, *arguments], given)

    def succeeds(self, *arguments: str) -> bool:
        """Whether kubectl exits with 0."""
        command = [self._kubectl, *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, check=False).returncode == 0

    def helm(self, *arguments: str) -> str:
        """Run helm and return what it prints."""
        return self._checked([self._helm, *arguments], None)

    def show(self, *arguments: str) -> None:
        """Run kubectl and let the reader see its output as it comes."""
        subprocess.run([self._kubectl, *arguments], env=self._environment, check=False)

    def get(self, *arguments: str) -> dict[str, Any]:
        """`kubectl get` as an object."""
        found: dict[str, Any] = json.loads(self.run("get", *arguments, "-o", "json"))
        return found

    @contextmanager
    def forward(self, namespace: str, what: str, port: int) -> Iterator[int]:
        """Forward a free port of loopback to a Service or pod; the port."""
        command = [self._kubectl, "port-forward", "--address=127.0.0.1", "-n", namespace, what, f":{port}"]
        with subprocess.Popen(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                line = process.stdout.readline() if process.stdout else ""
                found = re.search(r"127\.0\.0\.1:(\d+)", line)
                if found is None:
                    raise LocalError(f"kubectl port-forward to {what} in {namespace} failed: {line.strip()}")
                yield int(found.group(1))
            finally:
                process.terminate()

    def _checked(self, command: list[str], given: str | None) -> str:
        done = subprocess.run(command, env=self._environment, input=given, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
            raise LocalError(f"`{Path(command[0]).name} {' '.join(command[1:4])} …` failed: {said}")
        return done.stdout


def program(name: str, built: Path) -> str:
    """A program of the machine, or the one that the project built."""
    if built.exists():
        return str(built)
    found = shutil.which(name)
    if found is None:
        raise LocalError(f"{name} is neither on PATH nor built; install it, or: make tools")
    return found


def manifest(file: str, values: Mapping[str, str]) -> str:
    """A manifest of the demo with `${NAME}` filled in; a name without a value is an error of ours."""
    return _NAME.sub(lambda match: values[match.group(1)], (MANIFESTS / file).read_text())
