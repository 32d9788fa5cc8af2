"""Start, watch and stop exactly the processes that we started.

A record keeps pid, kernel start time, boot and a digest of what was started. A pid alone proves nothing, as
the kernel reuses it; with the start time it names one process for as long as the machine is up.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Self

from .errors import LocalError

LOG_LIMIT = 20 * 1024 * 1024


@dataclass(frozen=True)
class Record:
    """A process as written to its record file; `digest` changes when its arguments or files do."""

    pid: int
    started: int
    boot: str
    digest: str


@dataclass(frozen=True)
class Spec:
    """A process to run: `files` are configuration files whose change asks for a restart."""

    name: str
    argv: tuple[str, ...]
    files: tuple[Path, ...] = ()
    env: dict[str, str] = field(default_factory=dict)

    def digest(self) -> str:
        """Return a hash of everything that decides how the process behaves."""
        state = hashlib.sha256(json.dumps([self.argv, sorted(self.env.items())]).encode())
        for path in self.files:
            state.update(path.read_bytes())
        return state.hexdigest()


@cache
def boot() -> str:
    """Return the kernel's name for this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """Return the kernel's start time of a live process in clock ticks; None for none, or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return parse_stat(text)


def parse_stat(text: str) -> int | None:
    """Read the start time (field 22) from /proc/PID/stat; the name in parentheses may hold anything."""
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


class Running(ABC):
    """Programs that run for the time of a `with` block."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Start what does not run, and wait until it is ready."""

    @abstractmethod
    def stop(self) -> None:
        """Stop everything."""


class Supervisor:
    """The processes of one cluster: their records in `run`, their output in `logs`."""

    def __init__(self, run: Path, logs: Path) -> None:
        self._run = run
        self._logs = logs
        self._children: list[subprocess.Popen[bytes]] = []

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self._logs / f"{name}.log"

    def names(self) -> list[str]:
        """Return the names that have a record, running or not."""
        return sorted(path.stem for path in self._run.glob("*.json"))

    def record(self, name: str) -> Record | None:
        """Return the record of a process that is alive and is the one we started."""
        try:
            record = Record(**json.loads((self._run / f"{name}.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return record if record.boot == boot() and start_time(record.pid) == record.started else None

    def ensure(self, spec: Spec) -> str:
        """Start the process unless it runs as specified; return what was done, "" for nothing."""
        digest = spec.digest()
        running = self.record(spec.name)
        if running and running.digest == digest:
            return ""
        if running:
            self.stop(spec.name)
        self._start(spec, digest)
        return "restarted: its configuration changed" if running else "started"

    def wait_ready(self, name: str, ready: Callable[[], bool], timeout: float) -> None:
        """Wait until `ready`; fail as soon as the process is gone, or after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not ready():
            if self.record(name) is None:
                raise LocalError(f"{name} stopped right after its start", log=self.log(name))
            if time.monotonic() > deadline:
                raise LocalError(f"{name} is not healthy {timeout:.0f} s after its start", log=self.log(name))
            time.sleep(0.1)
        if self.record(name) is None:
            raise LocalError(f"{name} stopped, and another process answers in its place", log=self.log(name))

    def stop(self, name: str, grace: float = 10) -> bool:
        """Stop a process that we started, by force after `grace` seconds; return whether it ran."""
        record = self.record(name)
        if record is not None:
            terminate(record.pid, record.started, grace)
        self._children = [child for child in self._children if child.poll() is None]
        (self._run / f"{name}.json").unlink(missing_ok=True)
        return record is not None

    def _start(self, spec: Spec, digest: str) -> None:
        self._run.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self.log(spec.name)
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".old.log"))
        with log.open("ab") as output:
            child = subprocess.Popen(
                spec.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                env={**os.environ, **spec.env},
            )
        self._children.append(child)
        started = start_time(child.pid)
        if started is None:
            raise LocalError(f"{spec.name} stopped right after its start", log=log)
        record = Record(child.pid, started, boot(), digest)
        temporary = self._run / f"{spec.name}.new"
        temporary.write_text(json.dumps(asdict(record)))
        temporary.replace(self._run / f"{spec.name}.json")


def terminate(pid: int, started: int, grace: float) -> None:
    """End the one process with this pid and start time: SIGTERM, then SIGKILL after `grace` seconds."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if start_time(pid) != started:
            return
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not select.select([handle], [], [], grace)[0]:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], 10)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def age(started: int) -> float:
    """Return for how many seconds a process with this start time has run."""
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return uptime - started / os.sysconf("SC_CLK_TCK")
