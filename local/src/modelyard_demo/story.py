"""Telling what happens: a heading for each scene, the time that it took, and the status of a model as it changes."""

from __future__ import annotations

import sys
import time

from modelyard_local.errors import LocalError

from .kube import Kube

BOLD, DIM, GREEN, PLAIN = "\033[1m", "\033[2m", "\033[32m", "\033[0m"
POLL_SECONDS = 0.4


def _colour(code: str, text: str) -> str:
    return f"{code}{text}{PLAIN}" if sys.stdout.isatty() else text


class Story:
    """Prints scenes with a running clock."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._scene = 0

    def heading(self, text: str) -> None:
        """Open a scene."""
        self._scene += 1
        print(f"\n{_colour(BOLD, f'{self._scene}. {text}')} {_colour(DIM, self.elapsed())}", flush=True)

    def line(self, text: str) -> None:
        """A line of a scene."""
        print(f"   {text}", flush=True)

    def elapsed(self) -> str:
        """Time since the beginning."""
        return f"[{time.monotonic() - self._began:5.1f} s]"

    def follow(self, kube: Kube, namespace: str, name: str, seconds: float) -> None:
        """Print the status of a model whenever it changes, until it is Ready; else say where to look."""
        deadline = time.monotonic() + seconds
        seen = ""
        while True:
            model = kube.get("mdep", name, "-n", namespace)
            status = model.get("status", {})
            summary = status.get("summary", "waiting for the operator")
            if summary != seen:
                self.line(f"{self.elapsed()} {name}: {summary}")
                seen = summary
            if _is_ready(model):
                return
            if time.monotonic() > deadline:
                message = next((one["message"] for one in status.get("conditions", []) if one["type"] == "Ready"), "")
                raise LocalError(
                    f"{name} is not Ready after {seconds:.0f} s: {message or summary}. "
                    f"Look: kubectl describe mdep {name} -n {namespace}"
                )
            time.sleep(POLL_SECONDS)

    def good(self, text: str) -> None:
        """A line that says that something worked."""
        self.line(_colour(GREEN, text))


def _is_ready(model: dict[str, object]) -> bool:
    generation = model["metadata"]["generation"]  # type: ignore[index]
    conditions = model.get("status", {}).get("conditions", [])  # type: ignore[attr-defined]
    return any(
        one["type"] == "Ready" and one["status"] == "True" and one["observedGeneration"] == generation
        for one in conditions
    )
