"""Running a program and reading its output."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import LocalError


def run(argv: Sequence[str | Path], *, stdin: str | None = None, check: bool = True) -> str:
    """Run a short command and return its output; with `check`, a failure is a LocalError that quotes it."""
    try:
        done = subprocess.run([str(part) for part in argv], input=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise LocalError(f"{argv[0]} is not installed or not on PATH") from error
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        shown = " ".join(str(part) for part in argv[:4])
        raise LocalError(f"`{shown} …` exited with {done.returncode}: {' / '.join(said[-3:])}")
    return done.stdout


def succeeds(argv: Sequence[str | Path]) -> bool:
    """Return whether the command exits with 0."""
    return subprocess.run([str(part) for part in argv], capture_output=True, check=False).returncode == 0


def run_logged(
    argv: Sequence[str | Path], log: Path, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run a long command with its output in a log; a failure is a LocalError that names the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        stream.write(f"$ {' '.join(str(part) for part in argv)}\n".encode())
        stream.flush()
        try:
            done = subprocess.run(
                [str(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                check=False,
            )
        except FileNotFoundError as error:
            raise LocalError(f"{argv[0]} is not installed or not on PATH") from error
    if done.returncode != 0:
        raise LocalError(f"`{Path(argv[0]).name} {argv[1]} …` exited with {done.returncode}", log=log)
