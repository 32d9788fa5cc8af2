"""The key that models ask of whoever reaches them: what of it the gateway shows. Read from a mounted Secret."""

import logging
from collections.abc import Callable
from pathlib import Path

from modelyard_operator.api import upstream
from modelyard_operator.api.upstream import Ring

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0


class UpstreamKey:
    """The keys of one file, which is replaced while we run. Without a file models are shown nothing."""

    def __init__(self, path: Path | None, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._wall = wall
        self._looked = clock()
        self._ring: Ring | None = None
        self.trouble = ""
        self._look()

    def shown(self, namespace: str) -> str:
        """The key for the models of a namespace; empty when none is to be shown. Ask once nothing is unready."""
        if self._path is not None and self._clock() - self._looked >= LOOK_SECONDS:
            self._look()
        return "" if self._ring is None else self._ring.shown(namespace, self._wall())

    def unready(self) -> list[str]:
        """Why models would refuse what we send."""
        if self._ring is None:
            self._look()
        return [self.trouble] if self._path is not None and self._ring is None else []

    def _look(self) -> None:
        """What was read before holds while the file is being replaced."""
        if self._path is None:
            return
        self._looked = self._clock()
        try:
            self._ring = upstream.read(self._path.read_bytes())
        except (OSError, ValueError) as error:
            trouble = f"the key for models cannot be read from {self._path}: {error}"
            if trouble != self.trouble:
                logger.warning("%s", trouble)
            self.trouble = trouble
        else:
            self.trouble = ""
